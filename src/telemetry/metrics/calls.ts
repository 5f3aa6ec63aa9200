import type { ErrorCode } from '../../errors.ts'
import type { CallObserver, RefusedExchange } from '../../filters/observe.ts'
import type { Outcome } from '../../filters/rescue.ts'
import type { Downstream } from '../../pipeline/call.ts'
import type { AttemptRecord, CallRecord } from '../../pipeline/record.ts'
import { LEGACY_VERSIONS, MODERN_VERSIONS } from '../../protocol/versions.ts'
import { ATTRIBUTE, EXECUTE_TOOL, OTHER, methodValue } from '../conventions.ts'
import { OWN } from './definitions.ts'
import { Histogram } from './histogram.ts'
import { type Labels, labelsOf } from './labels.ts'
import { ERROR_CODES, type Ending, endingOf, endingOfTry, nameValue, refusalCode } from './outcome.ts'

/** What calls are for, as far as it may be a label: every value comes from the configuration or the catalog. */
export interface Subject {
  /** Undefined where no backend was found, or several were asked. */
  readonly backend: string | undefined
  readonly method: string
  /** The tool or prompt as its backend calls it, or `_OTHER` for those beyond the bound. */
  readonly tool: string | undefined
  readonly prompt: string | undefined
}

/** Durations of what is the same in every attribute. */
export interface Cell {
  readonly subject: Subject
  readonly ending: Ending
  readonly labels: Labels
  readonly histogram: Histogram
}

/** How a backend is reached, as the conventions tell it. */
export interface Reached {
  readonly transport: 'http' | 'stdio' | 'builtin'
  /** Of its address; undefined for a process. Where there are several, of the first. */
  readonly origin: string | undefined
}

/** What counting calls needs. */
export interface CallCountsConfig {
  /** Tools and prompts that have cells of their own. */
  readonly maxTools: number
}

/** What was counted of calls since the start. */
export interface CallCounts {
  /** Counts calls of these backends, by configured name, from now on; what was counted of others is forgotten. */
  serve(backends: ReadonlyMap<string, Reached>): void
  readonly observer: CallObserver
  /** Of requests, and of tries. They only become more. */
  readonly server: readonly Cell[]
  readonly client: readonly Cell[]
  /** Milliseconds that calls waited for their turn, by backend. */
  readonly queued: ReadonlyMap<string, Histogram>
  readonly refusals: ReadonlyMap<ErrorCode, number>
  /** HTTP requests that were refused before there was a call, by code. */
  readonly refusedRequests: ReadonlyMap<ErrorCode, number>
  readonly events: Readonly<Record<EventKind, ReadonlyMap<string, number>>>
  readonly notifications: number
}

/** What may happen to a call on its way. */
export type EventKind = CallRecord['events'][number]['kind']

/** Begins to count. */
export function countCalls(config: CallCountsConfig): CallCounts {
  return new Counts(config)
}

/** The cells of one subject: found by what tells the calls of it apart. */
class Row {
  readonly subject: Subject
  /** By {@link sideOf} the client. */
  readonly server: (Map<Ending, Cell> | undefined)[] = []
  /** By address and revision. */
  readonly client = new Map<string, Map<string, Map<Ending, Cell>>>()

  constructor(subject: Subject) {
    this.subject = subject
  }
}

interface Rows {
  /** Of calls without a name, or whose name may be no label. */
  readonly plain: Row
  readonly named: Map<string, Row>
}

class Counts implements CallCounts, CallObserver {
  readonly observer = this
  server: Cell[] = []
  client: Cell[] = []
  readonly queued = new Map<string, Histogram>()
  readonly refusedRequests = new Map<ErrorCode, number>()
  readonly refusals = new Map<ErrorCode, number>(ERROR_CODES.map((code) => [code, 0]))
  readonly events: Readonly<Record<EventKind, Map<string, number>>> = {
    retry: new Map(),
    hedge: new Map(),
    'circuit-open': new Map(),
  }
  notifications = 0
  readonly #config: CallCountsConfig
  readonly #rows = new Map<string, Map<string, Rows>>()
  #names = 0
  #backends: ReadonlyMap<string, Reached> = new Map()

  constructor(config: CallCountsConfig) {
    this.#config = config
  }

  serve(backends: ReadonlyMap<string, Reached>): void {
    const gone = [...this.#backends.keys()].filter((name) => !backends.has(name))
    this.#backends = backends
    if (gone.length > 0) this.#forget(new Set(gone))
    for (const [name, { transport }] of backends) {
      if (transport === 'builtin') continue
      for (const counts of Object.values(this.events)) counts.set(name, counts.get(name) ?? 0)
    }
  }

  #forget(backends: ReadonlySet<string>): void {
    const isKept = ({ subject: { backend } }: Cell): boolean =>
      backend === undefined || !backends.has(backend)
    this.server = this.server.filter(isKept)
    this.client = this.client.filter(isKept)
    for (const name of backends) {
      // The row of those beyond the bound took none of its places.
      for (const { named } of this.#rows.get(name)?.values() ?? [])
        this.#names -= named.has(OTHER) ? named.size - 1 : named.size
      this.#rows.delete(name)
      this.queued.delete(name)
      for (const counts of Object.values(this.events)) counts.delete(name)
    }
  }

  ended(record: CallRecord, outcome: Outcome): void {
    const { call, attempts } = record
    const row = this.#rowOf(record)
    this.#serverCell(row, call.downstream, endingOf(outcome)).histogram.record(record.ended - record.begun)
    for (const attempt of attempts) {
      if (!this.#backends.has(attempt.backend)) continue
      this.#clientCell(row, attempt).histogram.record((attempt.ended ?? record.ended) - attempt.begun)
    }
    this.notifications += record.notifications
    if (outcome.kind === 'refusal') this.#refused(outcome.error.data)
    const backend = row.subject.backend ?? ''
    if (record.queued > 0) this.#queuedAt(backend).record(record.queued)
    for (const { kind } of record.events) count(this.events[kind], backend)
  }

  refused({ refusal }: RefusedExchange): void {
    count(this.refusedRequests, refusalCode(refusal.error.data) ?? 'INTERNAL')
  }

  #refused(data: object): void {
    count(this.refusals, refusalCode(data) ?? 'INTERNAL')
  }

  #queuedAt(backend: string): Histogram {
    let histogram = this.queued.get(backend)
    if (histogram === undefined) this.queued.set(backend, (histogram = new Histogram()))
    return histogram
  }

  #rowOf({ call, target }: CallRecord): Row {
    const method = methodValue(call.method)
    // A backend that left meanwhile is told of no more.
    const one = target?.kind === 'one' && this.#backends.has(target.backend) ? target : undefined
    const rows = this.#rowsOf(one?.backend, method)
    // Only these two are named by what was listed: URIs, for one, are written by clients.
    if (one?.name === undefined || (method !== 'tools/call' && method !== 'prompts/get')) return rows.plain
    return rows.named.get(one.name) ?? this.#addNamed(rows, one.name)
  }

  #rowsOf(backend: string | undefined, method: string): Rows {
    let methods = this.#rows.get(backend ?? '')
    if (methods === undefined) this.#rows.set(backend ?? '', (methods = new Map<string, Rows>()))
    let rows = methods.get(method)
    if (rows === undefined) {
      const plain = new Row({ backend, method, tool: undefined, prompt: undefined })
      methods.set(method, (rows = { plain, named: new Map() }))
    }
    return rows
  }

  #addNamed(rows: Rows, name: string): Row {
    const { subject } = rows.plain
    const shown = this.#names < this.#config.maxTools ? nameValue(name) : OTHER
    if (shown === OTHER) {
      const kept = rows.named.get(OTHER) ?? new Row(named(subject, OTHER))
      rows.named.set(OTHER, kept)
      return kept
    }
    this.#names++
    const row = new Row(named(subject, shown))
    rows.named.set(name, row)
    return row
  }

  #serverCell(row: Row, downstream: Downstream, ending: Ending): Cell {
    const side = sideOf(downstream)
    const byEnding = (row.server[side] ??= new Map<Ending, Cell>())
    let cell = byEnding.get(ending)
    if (cell === undefined) {
      cell = cellOf(row.subject, ending, downstreamLabels(downstream))
      byEnding.set(ending, cell)
      this.server.push(cell)
    }
    return cell
  }

  #clientCell(of: Row, attempt: AttemptRecord): Cell {
    const { endpoint = '', spoken, backend } = attempt
    const row = of.subject.backend === backend ? of : this.#rowsOf(backend, of.subject.method).plain
    const version = spoken === undefined ? '' : versionValue(spoken.version)
    let byVersion = row.client.get(endpoint)
    if (byVersion === undefined) row.client.set(endpoint, (byVersion = new Map<string, Map<Ending, Cell>>()))
    let byEnding = byVersion.get(version)
    if (byEnding === undefined) byVersion.set(version, (byEnding = new Map<Ending, Cell>()))
    const ending = endingOfTry(attempt)
    let cell = byEnding.get(ending)
    if (cell === undefined) {
      cell = cellOf(row.subject, ending, this.#upstreamLabels(attempt))
      byEnding.set(ending, cell)
      this.client.push(cell)
    }
    return cell
  }

  #upstreamLabels({ backend, endpoint, spoken }: AttemptRecord): readonly Pair[] {
    const reached = this.#backends.get(backend)
    const origin = endpoint ?? reached?.origin
    const url = origin === undefined ? undefined : new URL(origin)
    return [
      [ATTRIBUTE.protocolVersion, spoken && versionValue(spoken.version)],
      ...transportLabels(reached?.transport),
      [ATTRIBUTE.serverAddress, url?.hostname.replace(/^\[|\]$/g, '')],
      [ATTRIBUTE.serverPort, url && portOf(url)],
    ]
  }
}

type Pair = readonly [name: string, value: string | number | undefined]

function named(subject: Subject, name: string): Subject {
  return subject.method === 'tools/call' ? { ...subject, tool: name } : { ...subject, prompt: name }
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function cellOf(subject: Subject, ending: Ending, others: readonly Pair[]): Cell {
  const { backend, method, tool, prompt } = subject
  const labels = labelsOf([
    [ATTRIBUTE.method, method],
    [ATTRIBUTE.tool, tool],
    [ATTRIBUTE.prompt, prompt],
    [ATTRIBUTE.operation, method === 'tools/call' ? EXECUTE_TOOL : undefined],
    [ATTRIBUTE.errorType, ending.errorType],
    [ATTRIBUTE.statusCode, ending.statusCode],
    ...others,
    [OWN.backend, backend],
    [OWN.outcome, ending.outcome],
  ])
  return { subject, ending, labels, histogram: new Histogram() }
}

const VERSIONS: readonly string[] = [...MODERN_VERSIONS, ...LEGACY_VERSIONS]
const SIDES = new Map(VERSIONS.map((version, index) => [version, index]))

/** Revisions are what both sides have agreed on; anything else is a bug of somebody, and no label. */
function versionValue(version: string): string {
  return SIDES.has(version) ? version : OTHER
}

/** A small number for what tells clients apart: revision and transport. */
function sideOf({ version, transport }: Downstream): number {
  return (SIDES.get(version) ?? VERSIONS.length) * 2 + (transport === 'stdio' ? 1 : 0)
}

function downstreamLabels({ version, transport }: Downstream): readonly Pair[] {
  return [[ATTRIBUTE.protocolVersion, versionValue(version)], ...transportLabels(transport)]
}

/** docs/gen-ai/mcp.md, "Recording MCP transport". The version of HTTP is not known here, and left out. */
export function transportLabels(transport: Reached['transport'] | undefined): readonly Pair[] {
  switch (transport) {
    case 'http':
      return [
        [ATTRIBUTE.transport, 'tcp'],
        [ATTRIBUTE.protocolName, 'http'],
      ]
    case 'stdio':
      return [[ATTRIBUTE.transport, 'pipe']]
    default:
      return []
  }
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' ? 443 : 80
}
