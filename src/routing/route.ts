import { GatewayError } from '../errors.ts'
import type { Call, Routed } from '../pipeline/call.ts'
import type { Stage } from '../pipeline/handler.ts'
import type { OneTarget, Target } from '../pipeline/target.ts'
import { member, stringOf, valueOf } from '../protocol/json.ts'
import { type ListKind, isListMethod, nameParamOf } from '../protocol/methods.ts'
import { checkParamHeaders } from '../protocol/param-headers.ts'
import type { AwayBackend, Catalog, CatalogScope, Found } from './catalog.ts'
import type { ExposedEntry } from './view.ts'

/** The table that each named method is looked up in. */
const TABLE: Readonly<Record<string, ListKind>> = {
  'tools/call': 'tools',
  'prompts/get': 'prompts',
  'resources/read': 'resources',
}

/** Methods that go to the backend of a single-backend route as they are. */
const DIRECT: ReadonlySet<string> = new Set(['completion/complete'])

/** Every method that a route serves. */
function servesMethod(call: Pick<Call, 'method' | 'route'>): boolean {
  const { method } = call
  if (method === 'server/discover' || isListMethod(method) || Object.hasOwn(TABLE, method)) return true
  return call.route.kind === 'backend' && DIRECT.has(method)
}

/**
 * Finds out what a call is for: by table, never by taking names apart.
 *
 * @param backends the configured names, in order
 */
export function route(catalog: Catalog, backends: readonly string[]): Stage<Call, Routed> {
  const all: Target = { kind: 'many', operation: { kind: 'discover' }, backends }
  const targetOf = (call: Call): Target | Promise<Target> => {
    const concerned = call.route.kind === 'aggregate' ? backends : [known(call.route.backend, backends)]
    if (!servesMethod(call)) {
      throw new GatewayError('METHOD_NOT_FOUND', `Method not found: ${printable(call.method)}`)
    }
    if (call.method === 'server/discover') return { ...all, backends: concerned }
    if (isListMethod(call.method)) {
      return { kind: 'many', operation: { kind: 'list', method: call.method }, backends: concerned }
    }
    const kind = TABLE[call.method]
    if (kind === undefined) return direct(concerned[0] ?? '', undefined)
    const name = nameOf(call)
    const shown = catalog.peek(kind, call.route, name)
    return shown === undefined ? searchTarget(call, kind, name) : checked(call, shown)
  }

  const searchTarget = async (call: Call, kind: ListKind, name: string): Promise<Target> => {
    const found = await catalog.find(kind, call.route, name)
    if (found.kind === 'found') return checked(call, found.shown)
    // Resources need not be listed: templates and the backend itself decide about the others.
    if (kind === 'resources' && call.route.kind === 'backend') return direct(call.route.backend, name)
    throw unknownName({ kind, name, scope: call.route }, found)
  }

  return (next) => async (call, out) => {
    const target = targetOf(call)
    // Names that are known, which is nearly all, cost no turn of the event loop.
    return next({ ...call, target: target instanceof Promise ? await target : target }, out)
  }
}

function direct(backend: string, name: string | undefined): OneTarget {
  return { kind: 'one', backend, name, paramHeaders: [] }
}

function nameOf(call: Call): string {
  const param = nameParamOf(call.method) ?? 'name'
  const name = stringOf(call.message.text, member(call.message.params, param))
  if (name !== undefined) return name
  throw new GatewayError('INVALID_PARAMS', `${call.method} needs "params.${param}", a string`)
}

function checked(call: Call, shown: ExposedEntry): OneTarget {
  const { backend, key, paramHeaders } = shown.entry
  const target: OneTarget = { kind: 'one', backend, name: key, paramHeaders }
  checkHeaders(call, target)
  return target
}

function known(backend: string, backends: readonly string[]): string {
  if (backends.includes(backend)) return backend
  const message = `Unknown backend: ${printable(backend)}. There is ${listed(backends)}.`
  throw new GatewayError('UNKNOWN_BACKEND', message)
}

/** 2026-07-28, basic/transports/streamable-http "Server Behavior for Custom Headers". */
function checkHeaders(call: Call, target: OneTarget): void {
  if (call.headers === undefined || target.paramHeaders.length === 0) return
  const { headers, message } = call
  const args = member(message.params, 'arguments')
  const value = args === undefined ? undefined : valueOf(message.text, args)
  const problem = checkParamHeaders(value, target.paramHeaders, (name) => {
    const header = headers[name]
    return typeof header === 'string' ? header : undefined
  })
  if (problem !== undefined) throw new GatewayError('HEADER_MISMATCH', problem)
}

const NOUN: Readonly<Record<ListKind, string>> = {
  tools: 'tool',
  prompts: 'prompt',
  resources: 'resource',
  resourceTemplates: 'resource template',
}

interface Wanted {
  readonly kind: ListKind
  readonly name: string
  readonly scope: CatalogScope
}

function unknownName(wanted: Wanted, found: Extract<Found, { kind: 'unknown' }>): GatewayError {
  const { kind, name, scope } = wanted
  const culprit = awayOwner(name, found.away, scope)
  if (culprit !== undefined) {
    const message = `${NOUN[kind]} ${printable(name)} may belong to backend ${culprit.backend}, which is away: ${culprit.reason}`
    return new GatewayError('BACKEND_UNAVAILABLE', message, { backend: culprit.backend })
  }
  const noun = NOUN[kind]
  const away = found.away.length === 0 ? '' : ` Away: ${found.away.map((entry) => entry.backend).join(', ')}.`
  const message = `Unknown ${noun}: ${printable(name)}. ${suggestion(noun, name, found.known)}${away}`
  if (kind === 'resources') return new GatewayError('UNKNOWN_NAME', message, { data: { uri: name } })
  return new GatewayError(kind === 'tools' ? 'UNKNOWN_TOOL' : 'UNKNOWN_NAME', message)
}

/** Only for the message: the away backend that the name seems to be meant for. */
function awayOwner(name: string, away: readonly AwayBackend[], scope: CatalogScope): AwayBackend | undefined {
  return away.find((entry) => scope.kind === 'backend' || name.startsWith(`${entry.backend}_`))
}

function suggestion(noun: string, name: string, names: readonly string[]): string {
  if (names.length === 0) return `There is no ${noun}.`
  const close = names.filter((other) => other.includes(name) || name.includes(other) || isNear(name, other))
  const shown = (close.length > 0 ? close : names).slice(0, 10)
  const rest =
    close.length > 0 ? '' : names.length > shown.length ? ` and ${names.length - shown.length} more` : ''
  return `${close.length > 0 ? 'Close to it' : 'There is'}: ${listed(shown)}${rest}.`
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ')
}

/** What a client wrote, short and without characters that could forge a log line. */
function printable(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, '?').slice(0, 128)
}

/** Most letters that may differ between names that are suggested for each other. */
const NEAR = 3

/** Whether the Levenshtein distance is small. Gives up as soon as it cannot be: there may be many names to compare with. */
function isNear(a: string, b: string): boolean {
  if (a.length > 64 || Math.abs(a.length - b.length) > NEAR) return false
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      current.push(Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, substituted))
    }
    if (Math.min(...current) > NEAR) return false
    previous = current
  }
  return (previous[b.length] ?? 0) <= NEAR
}
