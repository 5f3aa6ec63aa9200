import { z } from 'zod'
import { choice, count, duration, mapping, off, section, share } from './leaves.ts'
import type {
  BulkheadConfig,
  CircuitBreakerConfig,
  HedgeConfig,
  ResilienceConfig,
  RetryConfig,
} from './resilience.ts'

/** The settings of a backend that say how its failures are met, as they come out of the schema. */
export interface ResilienceInput {
  readonly timeout: TimesInput & { readonly total: number; readonly connect?: number | undefined }
  readonly retry: RetryConfig | undefined
  readonly circuitBreaker: CircuitBreakerConfig | undefined
  readonly bulkhead: BulkheadConfig | undefined
  readonly trustAnnotations: boolean
  readonly tools: Readonly<Record<string, ToolPolicyInput>>
}

interface TimesInput {
  readonly total?: number | undefined
  readonly firstByte?: number | undefined
  readonly idle?: number | undefined
}

interface ToolPolicyInput {
  readonly idempotent?: boolean | undefined
  readonly timeout?: TimesInput | undefined
  readonly hedge?: HedgeConfig | undefined
}

/** A part that has defaults, may be left out or empty, and can be switched off. */
function part<Shape extends z.ZodRawShape>(
  shape: Shape,
  description: string,
): z.ZodType<z.output<z.ZodObject<Shape, z.core.$strict>> | undefined> {
  return z
    .union([off, section(shape, description)])
    .prefault({})
    .meta({ description })
}

/** Most of anything that is counted here. */
const MOST = 1_000_000

const firstByte = duration('From the last byte of the request to the first of the answer.', 1).optional()
const idle = duration(
  'Between two signs of life once the answer has begun; never longer than total.',
).optional()
const TOTAL = 'How long one exchange may take, from the first attempt to the end of the answer.'

/** `timeout` of a backend: the whole, or the whole and its parts. */
const timeout = z
  .union([
    duration(TOTAL, 1).transform((total) => ({ total })),
    mapping({
      total: duration(TOTAL, 1).prefault('30s'),
      connect: duration('How long opening a connection may take; 10s if left out.', 1).optional(),
      firstByte,
      idle,
    }),
  ])
  .prefault('30s')
  .meta({ description: 'How long one exchange, or each part of it, may take.' })

const retry = part(
  {
    tries: count('Tries in all, the first one included.', 10).prefault(3),
    backoff: duration('Longest pause before the second try; doubled for each further one.', 1).prefault(
      '50ms',
    ),
    maxBackoff: duration('Longest pause of all.', 1).prefault('1s'),
    budget: share('Share of calls that may be tried again.', 0).prefault('20%'),
    minimum: count('Retries in ten seconds however few calls there are.', 10_000, 0).prefault(10),
  },
  'Trying again what surely was not carried out, or may run twice; off never does.',
)

const circuitBreaker = part(
  {
    window: duration('Time over which calls are counted.', 1).prefault('30s'),
    minimumCalls: count('Calls in the window below which the ratio means nothing.', MOST).prefault(20),
    failureRatio: share('Share of failures that opens the circuit.', 1).prefault('50%'),
    consecutiveFailures: count('Failures in a row that open the circuit.', MOST).prefault(10),
    openFor: duration('How long the circuit stays open before it is tried again.', 1).prefault('5s'),
    probes: count('Calls at once that try a half-open circuit, and successes that close it.', MOST).prefault(
      3,
    ),
    per: choice(['backend', 'tool'], 'What one circuit is for.').prefault('backend'),
  },
  'Leaving a backend alone that fails; off never does.',
)

interface BulkheadDefaults {
  readonly calls: number
  readonly queue: number
  readonly wait: string
}

/** `bulkhead` of a backend or of principals. */
export function bulkheadPart(
  defaults: BulkheadDefaults,
  description: string,
): z.ZodType<BulkheadConfig | undefined> {
  return part(
    {
      calls: count('Calls at once.', MOST).prefault(defaults.calls),
      queue: count('Calls that may wait.', MOST, 0).prefault(defaults.queue),
      wait: duration('How long a call waits at most.', 1).prefault(defaults.wait),
    },
    description,
  )
}

const hedge = mapping({ after: duration('Silence after which the second try starts.', 1) }).meta({
  description: 'A second try beside the first where that takes long; the first answer wins.',
})

const toolPolicy: z.ZodType<ToolPolicyInput> = mapping({
  idempotent: z
    .boolean()
    .optional()
    .meta({ description: 'Whether calls of the tool may run twice. Say true only of what you know.' }),
  timeout: z
    .union([
      duration(TOTAL, 1).transform((total) => ({ total })),
      mapping({ total: duration(TOTAL, 1).optional(), firstByte, idle }),
    ] as const)
    .optional()
    .meta({ description: 'Times of these tools instead of those of the backend.' }),
  hedge: hedge.optional(),
}).check((context) => {
  if (context.value.hedge === undefined || context.value.idempotent === true) return
  const message = 'a hedged call may run twice, so that hedge needs idempotent: true beside it'
  context.issues.push({ code: 'custom', message, input: context.value, path: ['hedge'] })
})

const tools = z.record(z.string(), toolPolicy).prefault({}).meta({
  description:
    'What you know about tools, by the name that the backend gives them; * stands for any text. The first that fits counts.',
})

/** The settings of a backend that say how its failures are met. */
export const resilienceShape: { readonly [Name in keyof ResilienceInput]: z.ZodType<ResilienceInput[Name]> } =
  {
    timeout,
    retry,
    circuitBreaker,
    bulkhead: bulkheadPart(
      { calls: 128, queue: 1000, wait: '10s' },
      'Calls that the backend gets at once, and how many wait; off never does.',
    ),
    trustAnnotations: z.boolean().prefault(false).meta({
      description: 'Believe what the backend says about its tools: readOnlyHint and idempotentHint.',
    }),
    tools,
  }

/** Milliseconds for opening a connection. */
const CONNECT = 10_000

/** The settings in the form that the gateway is built from. */
export function toResilience(input: ResilienceInput): ResilienceConfig {
  const { timeout: times, tools: policies } = input
  return {
    connect: times.connect ?? CONNECT,
    firstByte: times.firstByte,
    idle: times.idle,
    retry: input.retry,
    circuitBreaker: input.circuitBreaker,
    bulkhead: input.bulkhead,
    trustAnnotations: input.trustAnnotations,
    tools: Object.entries(policies).map(([pattern, policy]) => ({
      pattern,
      idempotent: policy.idempotent,
      total: policy.timeout?.total,
      firstByte: policy.timeout?.firstByte,
      idle: policy.timeout?.idle,
      hedge: policy.hedge,
    })),
  }
}

/** What a backend gets of which nothing is said. */
export const DEFAULT_RESILIENCE: ResilienceConfig = toResilience(z.object(resilienceShape).parse({}))
