// Each fault of a backend × each filter on and off, with the exact outcome; everybody else is served throughout.
import assert from 'node:assert/strict'
import { before, beforeEach, suite, test } from 'node:test'
import { type House, gateway } from '../language/house.ts'
import { type Configured, fileScope } from '../language/scope.ts'
import type { Fault, Order } from './faulty-process.ts'
import { type Faulty, faulty } from './faulty.ts'

/** What one call came to. */
type Outcome = readonly [status: number, code?: string, outcome?: string, retryable?: boolean]

const OK: Outcome = [200]
/** The stream had begun, and with it the answer. */
const LOST_IN_STREAM: Outcome = [200, 'BACKEND_UNAVAILABLE', 'unknown', false]
const LATE_IN_STREAM: Outcome = [200, 'BACKEND_TIMEOUT', 'unknown', false]
const REFUSED: Outcome = [502, 'BACKEND_UNAVAILABLE', 'not-executed', true]
const LOST: Outcome = [502, 'BACKEND_UNAVAILABLE', 'unknown', false]
const GARBAGE: Outcome = [502, 'BACKEND_PROTOCOL', 'unknown', false]
const LATE: Outcome = [504, 'BACKEND_TIMEOUT', 'unknown', false]
const OPEN: Outcome = [503, 'CIRCUIT_OPEN', 'not-executed', true]
const FULL: Outcome = [503, 'TOO_MANY', 'not-executed', true]

const OFF = { retry: false, circuitBreaker: false, bulkhead: false }
/** Parts of the time, so that what is silent or trickles is found out before all of it has passed. */
const PARTS = { total: '1500ms', firstByte: '400ms', idle: '400ms' }
const WHOLE = { total: '1500ms' }
const IDEMPOTENT = { work: { idempotent: true } }

/** Every filter on and off: how the backend is configured of that name. */
const FILTERS = {
  none: { ...OFF, timeout: WHOLE },
  parts: { ...OFF, timeout: PARTS },
  retry: {
    ...OFF,
    timeout: WHOLE,
    retry: { tries: 5, backoff: '50ms', maxBackoff: '50ms', minimum: 1000 },
  },
  idempotent: {
    ...OFF,
    timeout: PARTS,
    retry: { tries: 2, backoff: '10ms', minimum: 1000 },
    tools: IDEMPOTENT,
  },
  hedge: {
    ...OFF,
    timeout: WHOLE,
    retry: { tries: 1, minimum: 1000 },
    tools: { work: { idempotent: true, hedge: { after: '600ms' } } },
  },
  breaker: { ...OFF, timeout: PARTS, circuitBreaker: { consecutiveFailures: 3, openFor: '1h' } },
  bulkhead: { ...OFF, timeout: PARTS, bulkhead: { calls: 1, queue: 0 } },
} as const

type Filter = keyof typeof FILTERS

/** What becomes of calls to a backend that fails so: each outcome, and how often the tool was carried out in all. */
interface Row {
  readonly fault: Fault | 'refuses'
  /** One call with each filter alone. */
  readonly one: Readonly<
    Record<Exclude<Filter, 'breaker' | 'bulkhead'>, readonly [Outcome, executions: number]>
  >
  /** Four calls one after the other. With a breaker the last meets an open circuit if these fail. */
  readonly four: { readonly off: Four; readonly on: Four }
  /** Two calls at once, and one after them. With a bulkhead of one the second has no place if the first takes its time. */
  readonly two: { readonly off: Three; readonly on: Three }
}

type Four = readonly [readonly [Outcome, Outcome, Outcome, Outcome], executions: number]
type Three = readonly [readonly [Outcome, Outcome, Outcome], executions: number] | 'either'

const same = (fault: Outcome, executions: number): Row['four'] => ({
  off: [[fault, fault, fault, fault], 4 * executions],
  on: [[fault, fault, fault, OPEN], 3 * executions],
})

const ROWS: readonly Row[] = [
  {
    fault: 'refuses',
    one: {
      none: [REFUSED, 0],
      parts: [REFUSED, 0],
      retry: [REFUSED, 0],
      idempotent: [REFUSED, 0],
      hedge: [REFUSED, 0],
    },
    four: same(REFUSED, 0),
    two: { off: [[REFUSED, REFUSED, REFUSED], 0], on: 'either' },
  },
  {
    fault: 'hangs',
    one: { none: [LATE, 1], parts: [LATE, 1], retry: [LATE, 1], idempotent: [LATE, 2], hedge: [LATE, 2] },
    four: same(LATE, 1),
    two: { off: [[LATE, LATE, LATE], 3], on: [[LATE, FULL, LATE], 2] },
  },
  ...(
    [
      // What the client has heard of is not begun anew, even where it may run twice.
      ['dies mid-stream', LOST_IN_STREAM],
      // The second try finds nobody: the first may have been carried out all the same.
      ['dies mid-answer', LOST],
    ] as const
  ).map(([fault, lost]): Row => ({
    fault,
    one: { none: [lost, 1], parts: [lost, 1], retry: [lost, 1], idempotent: [lost, 1], hedge: [lost, 1] },
    // Nothing listens after the first call, so that the others surely are not carried out.
    four: { off: [[lost, REFUSED, REFUSED, REFUSED], 1], on: [[lost, REFUSED, REFUSED, OPEN], 1] },
    two: { off: 'either', on: 'either' },
  })),
  {
    fault: 'answers 500',
    one: { none: [LOST, 1], parts: [LOST, 1], retry: [LOST, 1], idempotent: [LOST, 2], hedge: [LOST, 1] },
    four: same(LOST, 1),
    two: { off: [[LOST, LOST, LOST], 3], on: 'either' },
  },
  {
    fault: 'answers garbage',
    one: {
      none: [GARBAGE, 1],
      parts: [GARBAGE, 1],
      retry: [GARBAGE, 1],
      idempotent: [GARBAGE, 2],
      hedge: [GARBAGE, 1],
    },
    four: same(GARBAGE, 1),
    two: { off: [[GARBAGE, GARBAGE, GARBAGE], 3], on: 'either' },
  },
  {
    fault: 'slow first byte',
    one: { none: [OK, 1], parts: [LATE, 1], retry: [OK, 1], idempotent: [LATE, 2], hedge: [OK, 2] },
    four: same(LATE, 1),
    two: { off: [[OK, OK, OK], 3], on: [[LATE, FULL, LATE], 2] },
  },
  {
    // Every piece is a sign of life, so that only the whole time ends it.
    fault: 'slow trickle of JSON',
    one: { none: [LATE, 1], parts: [LATE, 1], retry: [LATE, 1], idempotent: [LATE, 1], hedge: [LATE, 2] },
    four: same(LATE, 1),
    two: { off: [[LATE, LATE, LATE], 3], on: [[LATE, FULL, LATE], 2] },
  },
  {
    // Comments are none.
    fault: 'slow trickle of events',
    one: { none: [LATE, 1], parts: [LATE, 1], retry: [LATE, 1], idempotent: [LATE, 2], hedge: [LATE, 2] },
    four: same(LATE, 1),
    two: { off: [[LATE, LATE, LATE], 3], on: [[LATE, FULL, LATE], 2] },
  },
  {
    // Notifications extend the silence, never the whole; and what the client has heard of is not begun anew.
    fault: 'slow trickle of notifications',
    one: {
      none: [LATE_IN_STREAM, 1],
      parts: [LATE_IN_STREAM, 1],
      retry: [LATE_IN_STREAM, 1],
      idempotent: [LATE_IN_STREAM, 1],
      hedge: [LATE_IN_STREAM, 1],
    },
    four: same(LATE_IN_STREAM, 1),
    two: {
      off: [[LATE_IN_STREAM, LATE_IN_STREAM, LATE_IN_STREAM], 3],
      on: [[LATE_IN_STREAM, FULL, LATE_IN_STREAM], 2],
    },
  },
]

/** Milliseconds between two calls to the backend that is well. */
const BETWEEN = 20

/** Which filters a scenario with several calls is compared with. */
const WITHOUT_BREAKER = 'parts'

const title = (fault: Row['fault']): string => (fault.startsWith('slow') ? `has a ${fault}` : fault)

// Nearly all of it is waiting, so that they may wait together.
suite('the fault matrix', { concurrency: 4 }, () => {
  for (const { fault, one, four, two } of ROWS) {
    const isDeadly = fault.startsWith('dies')
    suite(`a backend that ${title(fault)}`, { concurrency: 1 }, () => {
      const scope = fileScope()
      let backend: Faulty
      let house: House

      before(async () => {
        const healthy = await faulty(scope)
        backend = await faulty(scope)
        const failing = Object.entries(FILTERS).map(
          ([name, settings]) => [name, { settings: { ...backend.settings, ...settings } }] as const,
        )
        house = await gateway({ backends: { healthy, ...Object.fromEntries<Configured>(failing) } })
        scope.after(async () => house.close())
      })

      const orderOf: Order = fault === 'refuses' ? { do: 'refuse' } : { do: 'fail', fault }

      beforeEach(async () => {
        await backend.revive()
        await backend.order({ do: 'fail', fault: 'well' })
        await backend.order({ do: 'listen' })
        // Every backend is connected, whatever became of it before.
        for (const name of Object.keys(FILTERS)) {
          house.gateway.order('restore', name)
          assert.deepEqual(await call(house, name), OK, `${name} is well in between`)
        }
      })

      /** Has these calls made to the backend that fails, and asserts that the healthy one is served meanwhile. */
      async function during(
        make: () => Promise<readonly Outcome[]>,
      ): Promise<readonly [readonly Outcome[], number]> {
        await backend.order(orderOf)
        const before = backend.executions
        const over = new AbortController()
        const others = (async () => {
          while (!over.signal.aborted) {
            assert.deepEqual(await call(house, 'healthy'), OK)
            await new Promise((resolve) => setTimeout(resolve, BETWEEN))
          }
        })()
        const outcomes = await make()
        over.abort()
        await others
        if (isDeadly) await backend.died()
        await backend.revive()
        await backend.order({ do: 'settle' })
        return [outcomes, backend.executions - before]
      }

      for (const [filter, expected] of Object.entries(one)) {
        test(`with ${filter}`, async () => {
          const [outcomes, executions] = await during(async () => [await call(house, filter)])
          assert.deepEqual([outcomes[0], executions], expected)
        })
      }

      const inARow = async (name: string): Promise<readonly Outcome[]> => {
        const outcomes: Outcome[] = []
        for (let calls = 0; calls < 4; calls++) {
          outcomes.push(await call(house, name))
          if (isDeadly) await backend.died()
        }
        return outcomes
      }
      test('four times without a breaker', async () => {
        assert.deepEqual(await during(async () => inARow(WITHOUT_BREAKER)), four.off)
      })
      test('four times with a breaker', async () => {
        assert.deepEqual(await during(async () => inARow('breaker')), four.on)
      })

      const atOnce = async (name: string): Promise<readonly Outcome[]> => {
        const first = await Promise.all([call(house, name), call(house, name)])
        const [second, third] = first.toSorted(([a], [b]) => Number(a === 503) - Number(b === 503))
        return [second ?? OK, third ?? OK, await call(house, name)]
      }
      test('twice at once without a bulkhead, and once more', async () => {
        const seen = await during(async () => atOnce('none'))
        if (two.off !== 'either') assert.deepEqual(seen, two.off)
        else assert.ok(seen[0].every((outcome) => isOneOf(outcome, [one.none[0], LOST, REFUSED])))
      })
      test('twice at once with a bulkhead, and once more', async () => {
        const seen = await during(async () => atOnce('bulkhead'))
        const fails: readonly Outcome[] = [one.parts[0], LOST, REFUSED]
        // Who fails at once may have given its place back before the second came.
        if (two.on !== 'either') assert.deepEqual(seen, two.on)
        else
          assert.ok(
            seen[0].every((outcome, index) => isOneOf(outcome, index === 1 ? [...fails, FULL] : fails)),
          )
      })
    })
  }
})

test('a backend that flaps is waited for by what was surely not sent', async (t) => {
  const scope = { after: (action: () => Promise<void>) => t.after(action) }
  const [healthy, backend] = [await faulty(scope), await faulty(scope)]
  const retry = { tries: 10, backoff: '300ms', maxBackoff: '300ms', minimum: 1000 }
  const retrying = { settings: { ...backend.settings, ...OFF, retry } }
  await using house = await gateway({ backends: { healthy, retrying } })
  for (let times = 0; times < 3; times++) {
    await backend.order({ do: 'refuse', ms: 300 })
    const [flapping, other] = await Promise.all([call(house, 'retrying'), call(house, 'healthy')])
    assert.deepEqual([flapping, other], [OK, OK])
  }
  await backend.order({ do: 'settle' })
  assert.equal(backend.executions, 3, 'each was carried out once')
})

function isOneOf(outcome: Outcome, allowed: readonly Outcome[]): boolean {
  return allowed.some((other) => JSON.stringify(other) === JSON.stringify(outcome))
}

async function call({ raw }: House, backend: string): Promise<Outcome> {
  const { status, response } = await raw.modern(
    'tools/call',
    { name: 'work', arguments: {} },
    { route: backend },
  )
  const data = response.error?.data
  if (data === undefined) return [status]
  return [status, String(data['code']), String(data['outcome']), data['retryable'] === true]
}
