import type { Backend, BackendStatus } from '../backend/backend.ts'
import { GatewayError } from '../errors.ts'
import type { Call, HeaderLookup, Principal, Route, Routed } from '../pipeline/call.ts'
import type { Stage } from '../pipeline/handler.ts'
import type { Rights } from '../pipeline/rights.ts'
import type { OneTarget, Target } from '../pipeline/target.ts'
import { member, stringOf, valueOf } from '../protocol/json.ts'
import { type ListKind, isListMethod, isTaskMethod, nameParamOf } from '../protocol/methods.ts'
import { checkParamHeaders } from '../protocol/param-headers.ts'
import { referenceOf } from '../protocol/subject.ts'
import type { Catalog, Found } from './catalog.ts'
import { taskSupportOf } from './entry.ts'
import { isExtensionCall } from './extensions.ts'
import { type TaskIds, taskTarget } from './tasks.ts'
import { listed, printable, unknownName } from './unknown.ts'
import type { ExposedEntry } from './view.ts'

/** The table that each named method is looked up in. */
const TABLE: ReadonlyMap<string, ListKind> = new Map([
  ['tools/call', 'tools'],
  ['prompts/get', 'prompts'],
  ['resources/read', 'resources'],
])

/** What routing needs to know. */
export interface RoutePorts {
  readonly catalog: Catalog
  /** By configured name, in order. */
  readonly backends: ReadonlyMap<string, Pick<Backend, 'status'>>
  readonly taskIds: TaskIds
  /** What a refusal may tell; undefined where everybody may know everything. */
  readonly rightsOf?: ((principal: Principal, route: Route) => Rights) | undefined
}

/** Finds out what a call is for: by table, never by taking names apart. */
export function route(ports: RoutePorts): Stage<Call, Routed> {
  const router = new Router(ports)
  return (next) => {
    const proceed: typeof next = (call, out) => {
      if (call.record !== undefined) call.record.target = call.target
      return next(call, out)
    }
    return (call, out) => {
      const found = router.targetOf(call)
      // Names that are known, which is nearly all, cost no turn of the event loop.
      return found instanceof Promise
        ? found.then((target) => proceed({ ...call, target }, out))
        : proceed({ ...call, target: found }, out)
    }
  }
}

class Router {
  readonly #catalog: Catalog
  readonly #backends: RoutePorts['backends']
  readonly #names: readonly string[]
  readonly #taskIds: TaskIds
  readonly #rightsOf: RoutePorts['rightsOf']

  constructor({ catalog, backends, taskIds, rightsOf }: RoutePorts) {
    this.#rightsOf = rightsOf
    this.#catalog = catalog
    this.#backends = backends
    this.#names = [...backends.keys()]
    this.#taskIds = taskIds
  }

  targetOf(call: Call): Target | Promise<Target> {
    const { method } = call
    const kind = TABLE.get(method)
    const backends = call.route.kind === 'aggregate' ? this.#names : [this.#known(call, call.route.backend)]
    if (kind !== undefined) return this.#named(call, kind)
    if (method === 'server/discover') return { kind: 'many', operation: { kind: 'discover' }, backends }
    if (isListMethod(method)) return { kind: 'many', operation: { kind: 'list', method }, backends }
    if (method === 'subscriptions/listen') return { kind: 'many', operation: { kind: 'listen' }, backends }
    if (method === 'completion/complete') return this.#completion(call)
    if (isTaskMethod(method)) return taskTarget(this.#taskIds, call)
    if (call.route.kind === 'backend' && this.#belongsToExtension(call, call.route.backend))
      return direct(call.route.backend, undefined)
    throw new GatewayError('METHOD_NOT_FOUND', `Method not found: ${printable(method)}`)
  }

  #rights({ principal, route }: Call): Rights | undefined {
    return this.#rightsOf?.(principal, route)
  }

  #known(call: Call, backend: string): string {
    if (this.#names.includes(backend)) return backend
    const rights = this.#rights(call)
    const names = this.#names.filter((name) => rights?.reaches(name) ?? true)
    const message = `Unknown backend: ${printable(backend)}. There is ${listed(names)}.`
    throw new GatewayError('UNKNOWN_BACKEND', message)
  }

  /** The headers of what the caller may not see are not looked at: an error would show that it exists. */
  #checked(call: Call, { entry, quarantine }: ExposedEntry): OneTarget {
    const { backend, key, paramHeaders, hints, execution } = entry
    const plain: OneTarget = { kind: 'one', backend, name: key, paramHeaders, hints }
    const target = execution === undefined ? plain : { ...plain, taskSupport: taskSupportOf(entry) }
    // Refused after authorization, and not for its headers: those are of a definition that nobody was shown.
    if (quarantine !== undefined) return { ...target, held: quarantine.reason }
    if (call.headers === undefined || paramHeaders.length === 0) return target
    if (this.#rights(call)?.sees(entry) ?? true) checkHeaders(call.headers, call, target)
    return target
  }

  #unknown(call: Call, kind: ListKind, { name, found }: Missed): GatewayError {
    return unknownName({ kind, name, scope: call.route, rights: this.#rights(call) }, found)
  }

  #belongsToExtension(call: Call, backend: string): boolean {
    return isExtensionCall(call.message, this.#backends.get(backend)?.status().identity)
  }

  #named(call: Call, kind: ListKind): Target | Promise<Target> {
    const name = nameOf(call)
    const shown = this.#catalog.peek(kind, call.route, name)
    if (shown !== undefined) return this.#checked(call, shown)
    if (kind === 'resources') return this.#unlisted(call, name)
    return this.#found(call, kind, name)
  }

  async #found(call: Call, kind: ListKind, name: string): Promise<Target> {
    const found = await this.#catalog.find(kind, call.route, name)
    if (found.kind === 'found') return this.#checked(call, found.shown)
    throw this.#unknown(call, kind, { name, found })
  }

  /** Resources need not be listed: references and templates decide about the others, and the backends themselves. */
  async #unlisted(call: Call, uri: string): Promise<Target> {
    const { route: scope } = call
    const known = scope.kind === 'aggregate' ? this.#catalog.uris().resolve(uri) : undefined
    if (known !== undefined) return direct(known.backend, known.uri)
    const [found] = await Promise.all([
      this.#catalog.find('resources', scope, uri),
      this.#catalog.find('resourceTemplates', scope, uri),
    ])
    if (found.kind === 'found') return this.#checked(call, found.shown)
    if (scope.kind === 'backend') return direct(scope.backend, uri)
    const now = this.#catalog.uris().resolve(uri)
    if (now !== undefined) return direct(now.backend, now.uri)
    const candidates = this.#candidates(uri)
    if (candidates.length === 0) throw this.#unknown(call, 'resources', { name: uri, found })
    return {
      kind: 'many',
      operation: { kind: 'search', uri, candidates },
      backends: [...new Set(candidates.map(({ backend }) => backend))],
    }
  }

  #candidates(uri: string): readonly OneTarget[] {
    const askable = this.#names.filter((backend) => mayHaveResources(this.#backends.get(backend)?.status()))
    // A form that was given out while two backends listed the same URI leads to its backend for ever.
    const qualified = this.#catalog.uris().unqualified(uri)
    return [
      ...qualified
        .filter(({ backend }) => askable.includes(backend))
        .map((own) => direct(own.backend, own.uri)),
      ...askable.map((backend) => direct(backend, uri)),
    ]
  }

  #completion(call: Call): Target | Promise<Target> {
    const reference = referenceOf(call.message)
    const name = reference && stringOf(call.message.text, reference.node)
    if (call.route.kind === 'backend') return this.#ownCompletion(call, call.route.backend, name)
    if (reference === undefined || name === undefined) throw badReference()
    if (reference.type === 'resource') return this.#completionOfResource(call, name)
    const shown = this.#catalog.peek('prompts', call.route, name)
    return shown === undefined ? this.#found(call, 'prompts', name) : this.#checked(call, shown)
  }

  /** The backend knows its own names; only what is held back of it is not asked about. */
  #ownCompletion(call: Call, backend: string, prompt: string | undefined): Target {
    const shown = prompt === undefined ? undefined : this.#catalog.peek('prompts', call.route, prompt)
    return shown?.quarantine === undefined ? direct(backend, undefined) : this.#checked(call, shown)
  }

  /** The reference is a template or the URI of a resource (2026-07-28, server/utilities/completion). */
  async #completionOfResource(call: Call, uri: string): Promise<Target> {
    const { route: scope } = call
    const template = await this.#catalog.find('resourceTemplates', scope, uri)
    if (template.kind === 'found') return this.#checked(call, template.shown)
    const own = this.#catalog.uris().resolve(uri)
    if (own !== undefined) return direct(own.backend, own.uri)
    return this.#found(call, 'resources', uri)
  }
}

/** False only for a backend that is known not to answer, or not to have any. */
function mayHaveResources(status: BackendStatus | undefined): boolean {
  if (status === undefined || status.condition.state === 'down') return false
  return status.identity === undefined || Object.hasOwn(status.identity.capabilities, 'resources')
}

function badReference(): GatewayError {
  const message = 'completion/complete needs "params.ref": the name of a prompt or the URI of a resource'
  return new GatewayError('INVALID_PARAMS', message)
}

function direct(backend: string, name: string | undefined): OneTarget {
  return { kind: 'one', backend, name, paramHeaders: [], hints: undefined }
}

function nameOf(call: Call): string {
  const param = nameParamOf(call.method) ?? 'name'
  const name = stringOf(call.message.text, member(call.message.params, param))
  if (name !== undefined) return name
  throw new GatewayError('INVALID_PARAMS', `${call.method} needs "params.${param}", a string`)
}

/** A name that was not found, and what was seen instead. */
interface Missed {
  readonly name: string
  readonly found: Extract<Found, { readonly kind: 'unknown' }>
}

/** 2026-07-28, basic/transports/streamable-http "Server Behavior for Custom Headers". */
function checkHeaders(headers: HeaderLookup, { message }: Call, target: OneTarget): void {
  const args = member(message.params, 'arguments')
  const value = args === undefined ? undefined : valueOf(message.text, args)
  const problem = checkParamHeaders(value, target.paramHeaders, (name) => {
    const header = headers[name]
    return typeof header === 'string' ? header : undefined
  })
  if (problem !== undefined) throw new GatewayError('HEADER_MISMATCH', problem)
}
