import type { Backend, BackendIdentity } from '../backend/backend.ts'
import { GatewayError } from '../errors.ts'
import type { Permitted, Reply } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Handler } from '../pipeline/handler.ts'
import { type RawMembers, buildResult } from '../protocol/build.ts'
import { member, stringOf } from '../protocol/json.ts'
import { META, TASKS } from '../protocol/meta.ts'
import { LIST_METHODS, type ListKind, type ListMethod } from '../protocol/methods.ts'
import {
  CHANGING_LISTS,
  type ChangingList,
  type SubscriptionFilter,
  offeredOf,
} from '../protocol/subscription.ts'
import { MODERN_VERSIONS } from '../protocol/versions.ts'
import type { Sealer } from '../seal/seal.ts'
import type { AwayBackend, Catalog, Snapshot } from './catalog.ts'
import { withExecution } from './entry.ts'
import { ownExtensions, unionOfExtensions } from './extensions.ts'
import { escapeHidden } from './integrity/hidden.ts'
import { narrowed } from './narrow.ts'
import type { Search } from './search.ts'
import type { ExposedEntry } from './view.ts'

/** What merged answers are made of. */
export interface MergePorts {
  readonly catalog: Catalog
  readonly backends: ReadonlyMap<string, Backend>
  readonly sealer: Sealer
  readonly clock: Clock
  /** Entries per page; undefined means one full page. */
  readonly pageSize: number | undefined
  /** Milliseconds that discovery waits for slow backends. */
  readonly listDeadline: number
  readonly search: Search
}

/** Longest instructions that are passed on per backend, in characters. */
const MAX_INSTRUCTIONS = 4000

/** Answers calls that concern several backends, or the gateway's picture of one: discovery, lists and searches. */
export function merge(ports: MergePorts): Handler<Permitted> {
  return (call, out) => {
    const { target } = call.permit
    if (target.kind !== 'many') throw new TypeError('merge takes calls with many targets')
    const { operation } = target
    switch (operation.kind) {
      case 'discover':
        return discover(ports, call, target.backends)
      case 'list':
        return list(ports, call, operation.method)
      case 'search':
        return ports.search(call, operation, out)
      case 'listen':
        throw new TypeError('subscriptions are no merged answers')
    }
  }
}

async function list(ports: MergePorts, call: Permitted, method: ListMethod): Promise<Reply> {
  const kind = LIST_METHODS[method]
  const cursor = stringOf(call.message.text, member(call.message.params, 'cursor'))
  if (cursor === undefined && member(call.message.params, 'cursor') !== undefined) throw badCursor(method)
  const snapshot = await listFor(ports, call, kind)
  const context = [
    'cursor',
    method,
    call.route.kind === 'backend' ? call.route.backend : '',
    call.principal.id,
  ]
  const from = cursor === undefined ? 0 : offsetOf(ports.sealer.open(cursor, context), snapshot, method)
  const size = ports.pageSize ?? snapshot.view.entries.length
  const next = from + size
  const entries =
    ports.pageSize === undefined ? snapshot.view.entries : snapshot.view.entries.slice(from, next)
  const more = next < snapshot.view.entries.length
  return buildResult({
    resultType: '"complete"',
    [kind]:
      call.downstream.era === 'legacy' && kind === 'tools'
        ? legacyToolsText(ports, entries)
        : listText(entries),
    ...(more ? { nextCursor: JSON.stringify(ports.sealer.seal([snapshot.view.digest, next], context)) } : {}),
    ttlMs: String(snapshot.ttlMs),
    cacheScope: JSON.stringify(snapshot.cacheScope),
    ...awayMembers(snapshot.away),
  })
}

/** The list as whoever calls may see it. */
async function listFor({ catalog }: MergePorts, call: Permitted, kind: ListKind): Promise<Snapshot> {
  const snapshot = await catalog.list(kind, call.route)
  const { rights } = call.permit
  if (rights === undefined) return snapshot
  return {
    ...snapshot,
    view: narrowed(snapshot.view, rights),
    cacheScope: 'private',
    away: snapshot.away.filter(({ backend }) => rights.reaches(backend, kind)),
  }
}

/** Lists are joined once for as long as they do not change. */
const joined = new WeakMap<readonly ExposedEntry[], string>()

function listText(entries: readonly ExposedEntry[]): string {
  const known = joined.get(entries)
  if (known !== undefined) return known
  const text = `[${entries.map((entry) => entry.text).join(',')}]`
  joined.set(entries, text)
  return text
}

/** Legacy clients are told which tools can be tasks; with the extension that is every tool of a backend, as it likes. */
function legacyToolsText(ports: MergePorts, entries: readonly ExposedEntry[]): string {
  const extended = new Set([...ports.backends.values()].filter(offersTasks).map((backend) => backend.name))
  const executionOf = ({ backend, execution }: ExposedEntry['entry']): string | undefined =>
    execution ?? (extended.has(backend) ? '{"taskSupport":"optional"}' : undefined)
  if (entries.every(({ entry }) => executionOf(entry) === undefined)) return listText(entries)
  const texts = entries.map(({ entry, text }) => {
    const execution = executionOf(entry)
    return execution === undefined ? text : withExecution(text, execution)
  })
  return `[${texts.join(',')}]`
}

function offersTasks(backend: Backend): boolean {
  const { identity } = backend.status()
  return identity?.era === 'modern' && Object.hasOwn(ownExtensions(identity), TASKS)
}

function offsetOf(opened: unknown, snapshot: Snapshot, method: ListMethod): number {
  if (!Array.isArray(opened)) throw badCursor(method)
  const [digest, offset] = opened as readonly unknown[]
  if (digest !== snapshot.view.digest || typeof offset !== 'number') {
    throw new GatewayError(
      'INVALID_PARAMS',
      `The list changed since the cursor was given: start ${method} again without it`,
    )
  }
  return offset
}

function badCursor(method: ListMethod): GatewayError {
  return new GatewayError(
    'INVALID_PARAMS',
    `Unknown cursor: use the nextCursor of an earlier answer to ${method}, unchanged`,
  )
}

/** Backends that are away are named, so that a short list is never mistaken for a complete one. */
function awayMembers(away: readonly AwayBackend[]): RawMembers {
  if (away.length === 0) return {}
  const told = Object.fromEntries(away.map(({ backend, listed, reason }) => [backend, { listed, reason }]))
  return { _meta: { [META.backends]: JSON.stringify(told) } }
}

async function discover(ports: MergePorts, call: Permitted, names: readonly string[]): Promise<Reply> {
  const found = await identities(ports, names)
  const away = found.filter((entry) => entry.identity === undefined)
  const instructions = instructionsOf(found)
  return buildResult({
    resultType: '"complete"',
    supportedVersions: JSON.stringify(MODERN_VERSIONS),
    capabilities: JSON.stringify(capabilitiesOf(found, call)),
    ...(instructions === undefined ? {} : { instructions: JSON.stringify(instructions) }),
    ttlMs: '0',
    cacheScope: '"private"',
    ...awayMembers(
      away.map(({ backend }) => ({ backend, listed: 'omitted', reason: reasonOf(ports, backend) })),
    ),
  })
}

interface Found {
  readonly backend: string
  readonly identity: BackendIdentity | undefined
}

/** What is known of the backends; those that were never reached get until the deadline. */
async function identities(ports: MergePorts, names: readonly string[]): Promise<readonly Found[]> {
  const controller = new AbortController()
  const cancel = ports.clock.after(ports.listDeadline, () => controller.abort(new Error('deadline')))
  try {
    return await Promise.all(
      names.map(async (name): Promise<Found> => {
        const backend = ports.backends.get(name)
        const known = backend?.status().identity
        if (known !== undefined) return { backend: name, identity: known }
        const identity = await backend?.identify(controller.signal).catch(() => undefined)
        return { backend: name, identity }
      }),
    )
  } finally {
    cancel()
  }
}

function reasonOf(ports: MergePorts, backend: string): string {
  const condition = ports.backends.get(backend)?.status().condition
  return condition?.state === 'down' ? condition.reason : 'has not answered yet'
}

/** The features that the gateway relays, as the union of what the backends offer; the aggregate always has tools. */
function capabilitiesOf(
  found: readonly Found[],
  { route, permit }: Pick<Permitted, 'route' | 'permit'>,
): Readonly<Record<string, object>> {
  const aggregate = route.kind === 'aggregate'
  const isOpen = (backend: string, feature: string): boolean =>
    permit.rights === undefined || !isChangingList(feature) || permit.rights.reaches(backend, feature)
  const offered = new Set(
    found.flatMap(({ backend, identity }) =>
      Object.keys(identity?.capabilities ?? {}).filter((feature) => isOpen(backend, feature)),
    ),
  )
  const relayed = ['tools', 'prompts', 'resources', 'completions']
  const capabilities: Record<string, object> = aggregate ? { tools: {} } : {}
  for (const name of relayed) if (offered.has(name)) capabilities[name] = {}
  // Changes that no backend announces are noticed: when it is asked again, when it goes and when it comes back.
  for (const list of CHANGING_LISTS)
    if (capabilities[list] !== undefined) capabilities[list] = { listChanged: true }
  const followable = found.some(
    ({ identity }) => offeredOf(ANY_RESOURCE, identity?.capabilities ?? {}).resources.length > 0,
  )
  if (followable && offered.has('resources'))
    capabilities['resources'] = { ...capabilities['resources'], subscribe: true }
  const all = found.map(({ identity }) => ownExtensions(identity))
  const extensions = aggregate ? unionOfExtensions(all) : (all[0] ?? {})
  if (Object.keys(extensions).length > 0) capabilities['extensions'] = extensions
  return capabilities
}

function isChangingList(feature: string): feature is ChangingList {
  return CHANGING_LISTS.some((list) => list === feature)
}

const ANY_RESOURCE: SubscriptionFilter = { lists: [], resources: ['any'], tasks: [] }

function instructionsOf(found: readonly Found[]): string | undefined {
  const given = found.flatMap(({ backend, identity }) => {
    const text = identity?.instructions?.slice(0, MAX_INSTRUCTIONS)
    // A model reads them like descriptions, and what its user does not see must not be in them.
    return text === undefined || text === '' ? [] : [{ backend, text: escapeHidden(text) }]
  })
  if (given.length === 0) return undefined
  if (found.length === 1) return given[0]?.text
  return given.map(({ backend, text }) => `## ${backend}\n\n${text}`).join('\n\n')
}
