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
  /** The environment variables that the text at a path refers to. */
  readonly variablesAt: (path: ConfigPath) => readonly string[]
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
  const form = alternatives.length === 4 ? formOf(found) : undefined
  if (form === 'stdio') return alternatives[3] ?? []
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

function formOf(found: unknown): 'http' | 'stdio' | undefined {
  if (!isMapping(found)) return undefined
  const stated = found['transport']
  if (stated === 'http' || stated === 'stdio') return stated
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
  const variables = file.variablesAt(path)
  const hidden = isSecret(path) || variables.length > 0
  const wanted =
    isBackend(path) && typeof found !== 'string'
      ? 'expected a URL, or a mapping with url or command'
      : expected
  const message = `${wanted}; found ${describe(found, hidden, variables)}`
  const suggestion = issue.code === 'custom' && !hidden ? suggest(found, issue.params ?? {}) : undefined
  return [{ path, message, ...(suggestion === undefined ? {} : { suggestion }) }]
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
  const backend = path.length === 3 && path[0] === 'backends'
  const other = backend ? (known.includes('headers') ? 'stdio' : 'http') : undefined
  if (other !== undefined && isMapping(found) && (key === 'url' || key === 'command')) {
    if ('url' in found && 'command' in found) {
      return { path, at: 'key', message: 'a backend has either a url (http) or a command (stdio), not both' }
    }
  }
  if (other !== undefined && key === 'url' && isMapping(found) && 'endpoints' in found)
    return { path, at: 'key', message: 'a backend has either url or endpoints, not both' }
  if (other !== undefined && BACKEND_SETTINGS[other].includes(key) && isMapping(found)) {
    const owner = other === 'stdio' ? 'a command (stdio)' : 'a url (http)'
    const reason = other === 'stdio' ? 'url' : 'command'
    const why = reason in found ? `it has a ${reason}` : `its transport is ${String(found['transport'])}`
    return { path, at: 'key', message: `belongs to a backend with ${owner}, but ${why}` }
  }
  const suggestion = nearest(key, known)
  const message = `unknown setting; known here: ${known.join(', ')}`
  return { path, at: 'key', message, ...(suggestion === undefined ? {} : { suggestion }) }
}

function missing(root: unknown, path: ConfigPath, expected: string): string {
  if (path[0] === 'backends' && path.length === 1) return 'missing: name at least one MCP server here'
  const parent = valueAt(root, path.slice(0, -1))
  if (path[0] !== 'backends' || path.length !== 3 || !isMapping(parent)) return `missing: ${expected}`
  if (parent['transport'] === 'stdio') return 'missing: a backend with transport stdio needs a command'
  if (parent['transport'] === 'http') return 'missing: a backend with transport http needs a url'
  return 'missing: a backend needs a url (http) or a command (stdio)'
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
function isSecret(path: ConfigPath): boolean {
  if (path.at(-1) === 'clientSecret' || path.at(-1) === 'hash' || path[1] === 'sealing') return true
  if (path[0] === 'store' && path[1] === 'url') return true
  if (path[0] === 'telemetry' && path.some((part) => part === 'token' || part === 'headers')) return true
  return (
    path[0] === 'backends' &&
    ['headers', 'env', 'args', 'url', 'endpoints', 'signing', undefined].includes(path[2]?.toString())
  )
}

function describe(found: unknown, hidden: boolean, variables: readonly string[]): string {
  if (variables.length > 0) return `a value from the environment (${variables.join(', ')})`
  if (found === null) return 'nothing'
  if (Array.isArray(found)) return 'a list'
  if (typeof found === 'string') return hidden ? 'text' : JSON.stringify(shorten(found))
  if (typeof found === 'number') return hidden ? 'a number' : `the number ${found}`
  return typeof found === 'boolean' ? String(found) : 'a mapping'
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
    return isMapping(found) ? endpointProblems(found, path) : []
  })
}
