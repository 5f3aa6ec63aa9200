import type { z } from 'zod'
import { authChecks, isOpen } from './auth-checks.ts'
import { BACKEND_SETTINGS } from './backend-schema.ts'
import { endpointProblems } from './endpoints-schema.ts'
import { isLoopback, parseListen } from './listen.ts'
import { nearest } from './nearest.ts'
import type { ConfigPath, Finding } from './problem.ts'
import { type FileSettings, NETWORK_CONSENT, fileSchema } from './schema.ts'
import { isMapping, valueAt } from './tree.ts'

type Issue = z.core.$ZodIssue

/** A file as plain values, and what must not be shown of it. */
export interface Unvalidated {
  readonly value: unknown
  /** What the text at a path refers to, such as `NAME` or `file:/run/secrets/x`. */
  readonly sourcesAt: (path: ConfigPath) => readonly string[]
}

/** Checks a file against the schema and reports everything that is wrong at once. */
export function validate(file: Unvalidated): {
  readonly settings: FileSettings | undefined
  readonly findings: readonly Finding[]
} {
  const result = fileSchema.safeParse(file.value)
  const issues = result.success ? [] : result.error.issues.flatMap((issue) => flatten(file.value, issue))
  const findings = [
    ...issues.flatMap((issue) => toFindings(file, issue)),
    ...crossChecks(file.value),
    ...authChecks(file.value),
  ]
  return { settings: findings.length === 0 ? result.data : undefined, findings }
}

/** The issue itself, or those of the alternative that was meant. */
function flatten(root: unknown, issue: Issue): readonly Issue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const chosen = chooseAlternative(valueAt(root, issue.path), issue.errors)
  return chosen.flatMap((inner) => flatten(root, { ...inner, path: [...issue.path, ...inner.path] }))
}

/** A backend says by its members which form it has; otherwise the form with the fewest issues is taken. */
function chooseAlternative(found: unknown, alternatives: readonly Issue[][]): readonly Issue[] {
  const form = alternatives.length === 5 ? formOf(found) : undefined
  if (form === 'stdio') return alternatives[3] ?? []
  if (form === 'rest') return alternatives[4] ?? []
  if (form === 'http') return alternatives[isMapping(found) && 'endpoints' in found ? 2 : 1] ?? []
  const fits = alternatives.filter((issues) => !issues.some(isWrongKind))
  const weight = (issues: readonly Issue[]): number =>
    issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0)
  const [best] = (fits.length > 0 ? fits : alternatives).toSorted((a, b) => weight(a) - weight(b))
  return best ?? []
}

/** True for an issue that says that the value as a whole is something else. */
function isWrongKind(issue: Issue): boolean {
  return issue.path.length === 0 && issue.code !== 'unrecognized_keys'
}

function formOf(found: unknown): BackendForm | undefined {
  if (!isMapping(found)) return undefined
  const stated = found['transport']
  if (stated === 'http' || stated === 'stdio' || stated === 'rest') return stated
  if ('rest' in found) return 'rest'
  if ('url' in found || 'endpoints' in found) return 'http'
  return 'command' in found ? 'stdio' : undefined
}

function toFindings(file: Unvalidated, issue: Issue): readonly Finding[] {
  const path = issue.path as ConfigPath
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownSetting(file.value, [...path, key], issue.message.split(', ')))
  }
  if (issue.code === 'invalid_key') {
    return [{ path, at: 'key', message: issue.issues[0]?.message ?? issue.message }]
  }
  const found = valueAt(file.value, path)
  const expected = issue.code === 'custom' ? issue.message : expectation(issue)
  if (found === undefined) return [{ path, message: missing(file.value, path, expected) }]
  const sources = file.sourcesAt(path)
  const hidden = isSecret(path) || sources.length > 0
  const wanted =
    isBackend(path) && typeof found !== 'string'
      ? 'expected a URL, or a mapping with url, command or rest'
      : expected
  const said = sources.length > 0 ? withoutValue(wanted, found) : wanted
  const message = `${said}; found ${describe(found, hidden, sources)}`
  const suggestion = issue.code === 'custom' && !hidden ? suggest(found, issue.params ?? {}) : undefined
  return [{ path, message, ...(suggestion === undefined ? {} : { suggestion }) }]
}

/** Shorter texts are no secrets, and stand by chance in any message. */
const SHORTEST_SECRET = 6

/** A message that may quote a value, without it. */
export function withoutValue(message: string, found: unknown): string {
  return typeof found === 'string' && found.length >= SHORTEST_SECRET
    ? message.replaceAll(found, '…')
    : message
}

/** What was probably meant: a hint of the setting's own, or the nearest of the words it takes. */
function suggest(found: unknown, params: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof params['hint'] === 'string') return params['hint']
  const words = params['words']
  return typeof found === 'string' && Array.isArray(words) ? nearest(found, words.map(String)) : undefined
}

function isBackend(path: ConfigPath): boolean {
  return path[0] === 'backends' && path.length === 2
}

function unknownSetting(root: unknown, path: ConfigPath, known: readonly string[]): Finding {
  const key = String(path.at(-1))
  const found = valueAt(root, path.slice(0, -1))
  const isOfBackend = path.length === 3 && path[0] === 'backends'
  const misplaced = isOfBackend && isMapping(found) ? misplacedSetting(key, found, known) : undefined
  if (misplaced !== undefined) return { path, at: 'key', message: misplaced }
  const suggestion = nearest(key, known)
  const message = `unknown setting; known here: ${known.join(', ')}`
  return { path, at: 'key', message, ...(suggestion === undefined ? {} : { suggestion }) }
}

type BackendForm = keyof typeof BACKEND_SETTINGS

/** What makes a backend one of that form, and how it is called. In the order in which they are told. */
const FORMS: Readonly<Record<BackendForm, readonly [setting: string, name: string]>> = {
  http: ['url', 'a url (http)'],
  stdio: ['command', 'a command (stdio)'],
  rest: ['rest', 'rest'],
}
const FORM_NAMES = Object.keys(FORMS) as readonly BackendForm[]

/** Why a setting that a backend of this form does not have stands there, where it is one of another form. */
function misplacedSetting(
  key: string,
  found: Readonly<Record<string, unknown>>,
  known: readonly string[],
): string | undefined {
  const form = known.includes('rest') ? 'rest' : known.includes('headers') ? 'http' : 'stdio'
  const owner = FORM_NAMES.find((other) => other !== form && BACKEND_SETTINGS[other].includes(key))
  const [own, name] = FORMS[form]
  if (owner !== undefined && key === FORMS[owner][0] && own in found) {
    const [first, second] = FORM_NAMES.filter((one) => one === form || one === owner)
    return `a backend has either ${FORMS[first ?? form][1]} or ${FORMS[second ?? owner][1]}, not both`
  }
  if (key === 'url' && 'endpoints' in found) return 'a backend has either url or endpoints, not both'
  if (owner === undefined) return undefined
  const why =
    own in found ? `it has ${name.replace(/ \(.*/, '')}` : `its transport is ${String(found['transport'])}`
  return `belongs to a backend with ${FORMS[owner][1]}, but ${why}`
}

function missing(root: unknown, path: ConfigPath, expected: string): string {
  if (path[0] === 'backends' && path.length === 1) return 'missing: name at least one MCP server here'
  const parent = valueAt(root, path.slice(0, -1))
  if (path[0] !== 'backends' || path.length !== 3 || !isMapping(parent)) return `missing: ${expected}`
  if (parent['transport'] === 'stdio') return 'missing: a backend with transport stdio needs a command'
  if (parent['transport'] === 'http') return 'missing: a backend with transport http needs a url'
  if (parent['transport'] === 'rest') return 'missing: a backend with transport rest needs rest'
  return 'missing: a backend needs a url (http), a command (stdio) or rest'
}

function expectation(issue: Issue): string {
  if (issue.code !== 'invalid_type') return 'expected something else'
  if (issue.expected === 'array') return 'expected a list'
  if (issue.expected === 'boolean') return 'expected true or false'
  return issue.expected === 'string' ? 'expected text' : 'expected a mapping (key: value)'
}

/**
 * Headers, environment and arguments often hold secrets, URLs sometimes; where a hash is wanted, somebody may write what
 * it is the hash of.
 */
export function isSecret(path: ConfigPath): boolean {
  if (path.at(-1) === 'clientSecret' || path.at(-1) === 'hash' || path[1] === 'sealing') return true
  if (path[0] === 'store' && path[1] === 'url') return true
  if (path[0] === 'telemetry' && path.some((part) => part === 'token' || part === 'headers')) return true
  if (path[0] === 'auth' && path.at(-1) === 'key') return true
  if (path[0] === 'backends' && path[2] === 'rest') return path[3] === 'url'
  return (
    path[0] === 'backends' &&
    ['headers', 'env', 'args', 'url', 'endpoints', 'signing', undefined].includes(path[2]?.toString())
  )
}

function describe(found: unknown, hidden: boolean, sources: readonly string[]): string {
  if (sources.length > 0) return `a value from ${describeSources(sources)}`
  if (found === null) return 'nothing'
  if (Array.isArray(found)) return 'a list'
  if (typeof found === 'string') return hidden ? 'text' : JSON.stringify(shorten(found))
  if (typeof found === 'number') return hidden ? 'a number' : `the number ${found}`
  return typeof found === 'boolean' ? String(found) : 'a mapping'
}

/** Where a value comes from that is not shown: `the environment (NAME)`, `the file /run/secrets/x`. */
export function describeSources(sources: readonly string[]): string {
  const [files, variables] = [true, false].map((wanted) =>
    [...new Set(sources)].filter((source) => source.startsWith('file:') === wanted),
  )
  const parts = [
    ...(variables === undefined || variables.length === 0
      ? []
      : [`the environment (${variables.join(', ')})`]),
    ...(files ?? []).map((file) => `the file ${file.slice('file:'.length)}`),
  ]
  return parts.join(' and ')
}

const LONGEST_SHOWN = 40

function shorten(text: string): string {
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text
}

/** What no single setting shows. Looks at raw values, so that it speaks even if other settings are wrong. */
function crossChecks(root: unknown): readonly Finding[] {
  const findings: Finding[] = [...backendChecks(root)]
  const client = parseListen(valueAt(root, ['gateway', 'listen']) ?? '127.0.0.1:8080')
  const admin = parseListen(valueAt(root, ['admin', 'listen']) ?? '127.0.0.1:9901')
  const consent = valueAt(root, ['gateway', 'allowUnauthenticatedNetworkAccess'])
  if ('value' in client && !isLoopback(client.value.host) && consent === undefined && isOpen(root)) {
    const message =
      'callers are not authenticated, so only loopback addresses are safe to listen on; configure auth, or, to let ' +
      `everyone who can connect call every tool, set gateway.allowUnauthenticatedNetworkAccess: ${NETWORK_CONSENT}`
    findings.push({ path: ['gateway', 'listen'], message })
  }
  if (!('value' in client) || !('value' in admin) || valueAt(root, ['admin']) === false) return findings
  const { host, port } = admin.value
  if (port !== 0 && port === client.value.port && host === client.value.host) {
    findings.push({ path: ['admin', 'listen'], message: 'the same address as gateway.listen' })
  }
  return findings
}

function backendChecks(root: unknown): readonly Finding[] {
  const backends = valueAt(root, ['backends'])
  return Object.entries(isMapping(backends) ? backends : {}).flatMap(([name, found]) => {
    const path = ['backends', name]
    if (!isMapping(found)) return []
    const { rest } = found
    return [
      ...endpointProblems(found, path),
      ...(isMapping(rest) ? endpointProblems(rest, [...path, 'rest']) : []),
    ]
  })
}
