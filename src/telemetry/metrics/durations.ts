import type { EndedSession, Measures, StoreOperation } from '../../pipeline/measures.ts'
import { LEGACY_VERSIONS } from '../../protocol/versions.ts'
import { ATTRIBUTE, OTHER } from '../conventions.ts'
import { transportLabels } from './calls.ts'
import { OWN } from './definitions.ts'
import { Histogram } from './histogram.ts'
import { type Labels, labelsOf } from './labels.ts'

/** Durations with their labels. */
export interface Measured {
  readonly labels: Labels
  readonly histogram: Histogram
}

/** What was measured beside calls since the start. */
export interface Durations extends Measures {
  /** Measures sessions at these backends from now on; what was measured of others is forgotten. Before, at any. */
  serve(backends: ReadonlySet<string>): void
  readonly serverSessions: Iterable<Measured>
  readonly clientSessions: Iterable<Measured>
  readonly store: Iterable<Measured>
}

/** Begins to measure. */
export function measureDurations(): Durations {
  const serverSessions = new Map<string, Measured>()
  /** By backend. */
  const clientSessions = new Map<string, Map<string, Measured>>()
  let served: ReadonlySet<string> | undefined
  const store = new Map<string, Measured>()
  return {
    sessionEnded(session) {
      const labels = sessionLabels(session)
      if (session.side === 'server') return record(serverSessions, labels, session.lasted)
      const { backend = '' } = session
      // Sessions outlast the backend that they were at by a moment.
      if (served?.has(backend) === false) return
      const known = clientSessions.get(backend) ?? new Map<string, Measured>()
      clientSessions.set(backend, known)
      record(known, labels, session.lasted)
    },
    serve(backends) {
      served = backends
      for (const name of clientSessions.keys()) if (!backends.has(name)) clientSessions.delete(name)
    },
    storeAnswered: (operation) => record(store, storeLabels(operation), operation.lasted),
    get serverSessions() {
      return serverSessions.values()
    },
    get clientSessions() {
      return [...clientSessions.values()].flatMap((known) => [...known.values()])
    },
    get store() {
      return store.values()
    },
  }
}

function record(all: Map<string, Measured>, labels: Labels, lasted: number): void {
  let measured = all.get(labels.text)
  if (measured === undefined) all.set(labels.text, (measured = { labels, histogram: new Histogram() }))
  measured.histogram.record(lasted)
}

function sessionLabels({ version, transport, backend, error }: EndedSession): Labels {
  return labelsOf([
    [ATTRIBUTE.errorType, error],
    [ATTRIBUTE.protocolVersion, LEGACY_VERSIONS.includes(version) ? version : OTHER],
    ...transportLabels(transport),
    [OWN.backend, backend],
  ])
}

function storeLabels({ operation, failed }: StoreOperation): Labels {
  return labelsOf([
    [OWN.operation, operation],
    [ATTRIBUTE.errorType, failed ? 'STORE_UNAVAILABLE' : undefined],
  ])
}
