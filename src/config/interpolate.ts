import type { SecretFile } from './secret-file.ts'

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Where the values of references come from. */
export interface References {
  readonly env: Environment
  /** Reads the file of `${file:…}`, by its path as it is written. */
  readonly readSecret: (path: string) => SecretFile
}

/** A text with its references replaced. */
export interface Interpolated {
  readonly text: string
  /** What the text refers to, such as `NAME` or `file:/run/secrets/x`: what it holds must not be printed. */
  readonly sources: readonly string[]
  /** What is wrong with the references; never holds a value. */
  readonly problems: readonly ReferenceProblem[]
}

/** What is wrong with a reference. */
export interface ReferenceProblem {
  /** `absent`: it is well written, but what it names is not to be had here. */
  readonly kind: 'absent' | 'malformed'
  readonly message: string
}

const TOKEN = /\$\$\{|\$\{([^}]*)\}|\$\{/g
const VARIABLE = /^(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/
const FILE = /^file:([\s\S]*?)(?::-([\s\S]*))?$/

/** Longest path of a file that is referred to. */
const LONGEST_PATH = 1024

/** Variables that editors fill in for their own files, and what to write instead. */
const CLIENT_VARIABLES: Readonly<Record<string, string>> = {
  workspaceFolder: 'write the path of the folder',
  workspaceFolderBasename: 'write the name of the folder',
  userHome: 'write ${HOME}',
  pathSeparator: 'write / or \\',
  '/': 'write / or \\',
}

/** True if the text holds a `${`, so that {@link interpolate} may change it. */
export function hasReference(text: string): boolean {
  return text.includes('${')
}

/**
 * Replaces `${NAME}` and `${env:NAME}` by environment variables and `${file:/path}` by what stands in a file, each also
 * with a default (`${NAME:-default}`); `$${` stands for a literal `${`. As in a shell, the default is used for what is
 * not there or empty. What a reference gives is not looked at again, so it cannot refer to anything else.
 */
export function interpolate(text: string, references: References): Interpolated {
  const sources: string[] = []
  const problems: ReferenceProblem[] = []
  const replaced = text.replace(TOKEN, (token: string, body: string | undefined) => {
    if (token === '$${') return '${'
    const resolved = body === undefined ? UNCLOSED : resolve(body, references)
    if (resolved.source !== undefined) sources.push(resolved.source)
    if (resolved.problem !== undefined) problems.push(resolved.problem)
    return resolved.value
  })
  return { text: replaced, sources, problems }
}

interface Resolved {
  readonly value: string
  readonly source?: string
  readonly problem?: ReferenceProblem
}

const malformed = (message: string): ReferenceProblem => ({ kind: 'malformed', message })
const absent = (message: string): ReferenceProblem => ({ kind: 'absent', message })

const UNCLOSED: Resolved = {
  value: '',
  problem: malformed('expected a } after ${; write $${ for a literal ${'),
}

function resolve(body: string, { env, readSecret }: References): Resolved {
  const [, path, otherwise] = FILE.exec(body) ?? []
  if (path !== undefined) return resolveFile(path, otherwise, readSecret)
  const [, name, fallback] = VARIABLE.exec(body) ?? []
  if (name === undefined) return { value: '', problem: malformed(misshapen(body)) }
  if (fallback?.includes('${') === true) return { value: '', problem: malformed(nested(name)) }
  // What every object has is no variable.
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  if (value !== undefined && (value !== '' || fallback === undefined)) return { value, source: name }
  if (fallback !== undefined) return { value: fallback, source: name }
  return { value: '', source: name, problem: unset(name) }
}

function resolveFile(
  path: string,
  fallback: string | undefined,
  readSecret: References['readSecret'],
): Resolved {
  const source = `file:${path}`
  if (path.includes('${'))
    return { value: '', problem: malformed('the path of ${file:…} cannot hold another reference') }
  if (fallback?.includes('${') === true) return { value: '', problem: malformed(nested(source)) }
  if (path === '' || path.length > LONGEST_PATH || /\p{Cc}/u.test(path))
    return { value: '', problem: malformed('expected the path of a file: ${file:/run/secrets/name}') }
  const found = readSecret(path)
  if (found.kind === 'text' && (found.text !== '' || fallback === undefined))
    return { value: found.text, source }
  if (found.kind === 'unusable')
    return { value: '', source, problem: absent(`the file ${path} ${found.reason}`) }
  if (fallback !== undefined) return { value: fallback, source }
  const message = `the file ${path} is not there; create it, or give a default: \${${source}:-…}`
  return { value: '', source, problem: absent(message) }
}

function nested(name: string): string {
  return `the default of \${${name}:-…} cannot hold another reference`
}

function unset(name: string): ReferenceProblem {
  const instead = insteadOf(name)
  if (instead !== undefined) return malformed(`\${${name}} is known to editors only: ${instead}`)
  return absent(`the environment variable ${name} is not set; set it, or give a default: \${${name}:-…}`)
}

function insteadOf(variable: string): string | undefined {
  return Object.hasOwn(CLIENT_VARIABLES, variable) ? CLIENT_VARIABLES[variable] : undefined
}

function misshapen(body: string): string {
  const shown = `\${${body.split(':-')[0] ?? ''}}`
  if (body.startsWith('input:')) {
    const name = body.slice('input:'.length).toUpperCase().replaceAll(/\W+/g, '_')
    return `${shown} asks a person in VS Code; set an environment variable instead and write \${${name}}`
  }
  const instead = insteadOf(body)
  if (instead !== undefined) return `${shown} is known to editors only: ${instead}`
  return `${shown} is no reference: expected \${NAME} or \${NAME:-default}; write $\${ for a literal \${`
}
