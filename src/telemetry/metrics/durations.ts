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
  readonly serverSessions: Iterable<Measured>
  readonly clientSessions: Iterable<Measured>
  readonly store: Iterable<Measured>
  /** HTTP requests that were refused before there was a call, by code. */
  readonly refusedRequests: ReadonlyMap<string, number>
}

/** Begins to measure. */
export function measureDurations(): Durations {
  const serverSessions = new Map<string, Measured>()
  const clientSessions = new Map<string, Measured>()
  const store = new Map<string, Measured>()
  const refusedRequests = new Map<string, number>()
  return {
    sessionEnded(session) {
      record(
        session.side === 'server' ? serverSessions : clientSessions,
        sessionLabels(session),
        session.lasted,
      )
    },
    storeAnswered: (operation) => record(store, storeLabels(operation), operation.lasted),
    requestRefused: (code) => void refusedRequests.set(code, (refusedRequests.get(code) ?? 0) + 1),
    refusedRequests,
    get serverSessions() {
      return serverSessions.values()
    },
    get clientSessions() {
      return clientSessions.values()
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
