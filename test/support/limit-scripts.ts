/** What property tests do to stores of limits. */
import fc from 'fast-check'
import type { Allowance } from '../../src/config/limits-types.ts'
import type { Charge, StoredLimit } from '../../src/store/limit-store.ts'

/** One step: time passes, then a call takes of some limits, or one that runs ends. */
export type LimitStep =
  | {
      readonly does: 'take'
      readonly after: number
      readonly of: readonly { readonly limit: number; readonly key: string; readonly cost: number }[]
    }
  | { readonly does: 'end'; readonly after: number; readonly which: number }

/** Limits, and what is done to them. */
export interface LimitScript {
  readonly limits: readonly StoredLimit[]
  readonly steps: readonly LimitStep[]
}

/** The charges of a step; none takes more than its limit can ever admit, which stores need not expect. */
export function chargesOf({ limits }: LimitScript, step: LimitStep): readonly Charge[] {
  if (step.does !== 'take') return []
  return step.of.flatMap(({ limit: index, key, cost }): Charge[] => {
    const limit = limits[index]
    if (limit === undefined) return []
    const { allowance } = limit
    return [
      { limit, key, cost: Math.min(cost, allowance.kind === 'gcra' ? allowance.burst : allowance.count) },
    ]
  })
}

const count = fc.integer({ min: 1, max: 12 })
const per = fc.constantFrom(10, 100, 1000)

const allowance: fc.Arbitrary<Allowance> = fc.oneof(
  fc.record({ kind: fc.constant('window' as const), count, per }),
  fc.record({ kind: fc.constant('gcra' as const), count, per, burst: count }),
  fc.record({ kind: fc.constant('quota' as const), count, period: fc.constantFrom('day', 'month') }),
  fc.record({ kind: fc.constant('concurrency' as const), count }),
)

const LONG = 20 * 3_600_000

/** Whole milliseconds, so that no store disagrees by its way of rounding; now and then half a day. */
const after = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 0, max: 60 }) },
  { weight: 1, arbitrary: fc.constant(LONG) },
)

const step = (limits: number): fc.Arbitrary<LimitStep> =>
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        does: fc.constant('take' as const),
        after,
        of: fc.uniqueArray(
          fc.record({
            limit: fc.integer({ min: 0, max: limits - 1 }),
            key: fc.constantFrom('a', 'b'),
            cost: fc.constantFrom(1, 1, 1, 2, 3),
          }),
          { selector: ({ limit }) => limit, minLength: 1, maxLength: limits },
        ),
      }),
    },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('end' as const), after, which: fc.nat(20) }) },
  )

/** Any limits, with anything done to them. */
export const limitScripts: fc.Arbitrary<LimitScript> = fc
  .array(allowance, { minLength: 1, maxLength: 3 })
  .chain((allowances) =>
    fc.record({
      limits: fc.constant(
        allowances.map((each, index): StoredLimit => ({
          id: `limit-${index}`,
          allowance: each,
          shadow: false,
        })),
      ),
      steps: fc.array(step(allowances.length), { maxLength: 80 }),
    }),
  )
