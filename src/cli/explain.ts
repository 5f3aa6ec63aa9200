import { type Explained, type Place, explain } from '../config/explain.ts'
import { nearest } from '../config/nearest.ts'
import { parsePath } from '../config/parse-path.ts'
import { type ConfigPath, formatPath } from '../config/problem.ts'
import { describeSources, isSecret } from '../config/validate.ts'
import { printProblems, type ReadConfig } from './config-file.ts'
import { CliError, type Io } from './io.ts'
import { HIDDEN, isSecretValue, secretArguments, shownUrl } from './redact.ts'
import { paint, printable } from './text.ts'

/** What is to be explained. */
export interface ExplainOptions {
  readonly path: string
  readonly json: boolean
}

/**
 * `toolgate check --explain`: says of a setting, or of all beneath a path, which file and which environment its value comes
 * from. Speaks even of a configuration that is not valid; the exit code is 1 then.
 *
 * @throws CliError if there is no such setting
 */
export function explainCommand(io: Io, read: ReadConfig, { path: wanted, json }: ExplainOptions): number {
  if (!read.ok) printProblems(io, read)
  if (read.tree === undefined) return 1
  const path = parsePath(wanted)
  if (path === undefined) {
    throw new CliError(
      `${JSON.stringify(wanted)} is no path`,
      'Expected one such as backends.github.url, or . for all.',
    )
  }
  const { settings, isKnown } = explain(read.tree, path)
  if (!isKnown) throw unknownPath(path, explain(read.tree, []).settings)
  const shown = settings.map(toShown)
  if (json) io.stdout.write(`${JSON.stringify(shown, null, 2)}\n`)
  else if (shown.length === 0) io.stdout.write(`${formatPath(path)} is not set, and has no default\n`)
  else for (const each of shown) io.stdout.write(entry(io, each))
  return read.ok ? 0 : 1
}

/** Looks for the place where the path leaves what is there. */
function unknownPath(path: ConfigPath, all: readonly Explained[]): CliError {
  for (const [depth, key] of path.entries()) {
    const before = path.slice(0, depth)
    const within = all.filter((setting) => before.every((each, index) => setting.path[index] === each))
    const known = [...new Set(within.map((setting) => String(setting.path[depth] ?? '')))].filter(
      (each) => each !== '',
    )
    if (known.includes(String(key))) continue
    const meant = nearest(String(key), known)
    const suggestion = meant === undefined ? '' : `; did you mean ${formatPath([...before, meant])}?`
    return new CliError(`there is no setting ${formatPath(path)}${suggestion}`)
  }
  return new CliError(`there is no setting ${formatPath(path)}`)
}

/** A setting without what is secret; the document of `--json`. */
interface Shown {
  readonly path: string
  readonly from: 'file' | 'default' | 'removed'
  /** Null for what was removed. */
  readonly value: unknown
  /** True if some of the value, or all of it, is hidden. */
  readonly hidden: boolean
  /** What the value refers to, such as `NAME` or `file:/run/secrets/x`. */
  readonly references: readonly string[]
  readonly place: Place | null
  readonly instead: readonly Place[]
}

function toShown(setting: Explained): Shown {
  const path = formatPath(setting.path)
  const nothing = { hidden: false, references: [], place: null, instead: [] }
  if (setting.kind === 'default') return { path, from: 'default', value: setting.value, ...nothing }
  if (setting.kind === 'removed')
    return { path, from: 'removed', value: null, ...nothing, place: setting.place }
  const { sources, place, instead } = setting
  const value = redacted(setting)
  return {
    path,
    from: 'file',
    value,
    hidden: JSON.stringify(value) !== JSON.stringify(setting.value),
    references: [...new Set(sources)],
    place,
    instead,
  }
}

type Written = Explained & { readonly kind: 'written' }

/** The value without what is secret or may be. */
function redacted({ path, value, sources }: Written): unknown {
  if (isBackendUrl(path)) {
    const shown = sources.length > 0 ? shownOrigin : asWritten
    return Array.isArray(value) ? value.map((each) => shown(String(each))) : shown(String(value))
  }
  if (sources.length > 0) return HIDDEN
  if (path[0] === 'backends' && path[2] === 'args' && Array.isArray(value))
    return shownArguments(value.map(String))
  if (path[2] === 'signing' && path[3] !== 'key') return value
  if (isSecret(path) || path.some(isSecretPart)) return isPlain(value) ? value : HIDDEN
  if (Array.isArray(value)) return value.map(shownText)
  return shownText(value)
}

function shownText(value: unknown): unknown {
  return typeof value === 'string' && isSecretValue(value) ? HIDDEN : value
}

/** Switches and numbers tell nothing. */
function isPlain(value: unknown): boolean {
  return ['boolean', 'number'].includes(typeof value) || value === null || value === 'off'
}

/** Sections that hold what somebody else defines, and names of settings that hold secrets. */
function isSecretPart(part: string | number): boolean {
  return typeof part === 'string' && /^(headers|env)$|secret|passw|credential|token$/i.test(part)
}

function isBackendUrl(path: ConfigPath): boolean {
  return path[0] === 'backends' && path.slice(2).some((part) => part === 'url')
}

function asWritten(address: string): string {
  const shown = shownUrl(address)
  return shown === URL.parse(address)?.href ? address : shown
}

/** The path of a URL that came by a reference may be what is secret about it. */
function shownOrigin(address: string): string {
  const url = URL.parse(address)
  if (url === null) return HIDDEN
  const plain = ['/', '/mcp'].includes(url.pathname) && url.search === ''
  return plain ? asWritten(address) : `${url.origin}/${HIDDEN}`
}

function shownArguments(args: readonly string[]): readonly string[] {
  const secret = secretArguments(args)
  return args.map((arg, index) => (secret[index] === true ? HIDDEN : arg))
}

function entry(io: Io, { path, from, value, references, place, instead }: Shown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const heading = `${paint(io.stdout, 'bold', path)}:${from === 'removed' ? '' : ` ${printable(text)}`}\n`
  if (place === null) return `${heading}  ${paint(io.stdout, 'dim', 'default')}\n`
  const origin = `${from === 'removed' ? 'removed by ' : ''}${shownPlace(place)}`
  const sources = references.length === 0 ? '' : `, from ${describeSources(references)}`
  const others = instead.map((each) => `  instead of ${shownPlace(each)}\n`)
  return `${heading}  ${origin}${sources}\n${others.join('')}`
}

function shownPlace({ file, line, column, environment }: Place): string {
  return `${file}:${line}:${column}${environment === undefined ? '' : `, environment ${environment}`}`
}
