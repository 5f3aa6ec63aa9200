import { z } from 'zod'
import { choice, count, duration, leaf, mapping, section, textSchema } from './leaves.ts'
import type { Allowance, KeyPart, LimitConfig, QuotaPeriod, RateConfig } from './limits-types.ts'
import { type Parsed, parseCount, parseDuration } from './units.ts'

/** The most that one limit can count. */
const MOST = 1_000_000_000
/** The most that one sliding window can count, because it remembers every call in it. */
const MOST_IN_WINDOW = 1_000_000

const KEY_PARTS: readonly KeyPart[] = [
  'principal',
  'tenant',
  'client',
  'apiKey',
  'address',
  'route',
  'backend',
  'tool',
  'method',
]

function parseRate(found: unknown): Parsed<RateConfig> {
  const expected = 'expected calls per duration, such as 60/1m or 10/1s'
  const [, calls, span] = (typeof found === 'string' && /^(\d+)\/(.*)$/.exec(found)) || []
  if (calls === undefined || span === undefined) return { expected }
  const number = parseCount(calls, 1, MOST)
  const per = parseDuration(span, 1)
  if (!('value' in number))
    return { expected: `${expected}, with ${number.expected.replace('expected ', '')}` }
  if ('value' in per) return { value: { count: number.value, per: per.value } }
  return /^(s|m|h)$/.test(span) ? { expected, hint: `${calls}/1${span}` } : { expected }
}

function parseQuota(found: unknown): Parsed<{ readonly count: number; readonly period: QuotaPeriod }> {
  const [, calls, period] = (typeof found === 'string' && /^(\d+)\/(day|month)$/.exec(found)) || []
  const number = parseCount(calls, 1, MOST)
  if (!('value' in number) || (period !== 'day' && period !== 'month'))
    return { expected: `expected calls per day or month, such as 100000/month (at most ${MOST})` }
  return { value: { count: number.value, period } }
}

const text = (pattern: RegExp, expected: string, description: string): z.ZodType<string> =>
  leaf(
    (found): Parsed<string> =>
      typeof found === 'string' && pattern.test(found) ? { value: found } : { expected },
    { ...textSchema(pattern.source), description },
  )

const limit = mapping({
  name: text(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    'expected a name of 1 to 64 letters, digits, ., _ and -',
    'Unique name; clients see it.',
  ).optional(),
  key: z
    .array(choice(KEY_PARTS, 'What callers are told apart by.'))
    .prefault(['principal'])
    .meta({ description: 'Calls that agree in all of these are counted together; [] counts all together.' }),
  methods: z
    .array(
      text(/^(\*|[^\s*]+)$/, 'expected a method such as tools/call, or *', 'A method, or * for every one.'),
    )
    .min(1)
    .prefault(['tools/call'])
    .meta({ description: 'Methods that count.' }),
  match: section(
    {
      backend: text(
        /./,
        'expected a backend; * stands for any characters',
        'Only calls of these backends.',
      ).optional(),
      tool: text(
        /./,
        'expected a tool; * stands for any characters',
        'Only calls of these tools.',
      ).optional(),
    },
    'Which calls count.',
  ),
  rate: leaf(parseRate, {
    ...textSchema('^\\d+/\\d+(ms|s|m|h)$'),
    description: 'Calls per duration, such as 60/1m: an exact sliding window, or with burst the GCRA.',
  }).optional(),
  burst: count('Calls that may come at once where the rate is an average.', MOST).optional(),
  concurrency: count('Calls at once.', MOST).optional(),
  quota: leaf(parseQuota, {
    ...textSchema('^\\d+/(day|month)$'),
    description: 'Calls per calendar day or month (UTC), such as 100000/month.',
  }).optional(),
  weights: z
    .record(
      z.string().regex(/^[^/]+\/.+$/, 'expected <backend>/<tool>; * stands for any characters'),
      count('What a call counts.', MOST),
    )
    .prefault({})
    .meta({ description: 'What a call counts, by <backend>/<tool>; the first that fits, else 1.' }),
  onExceed: choice(['reject', 'queue'], 'Whether calls above the limit are refused or wait.').prefault(
    'reject',
  ),
  queue: mapping({
    size: count('Calls that wait for one key at most.', 100_000).prefault(100),
    wait: duration('How long a call waits at most.', 1).prefault('10s'),
  })
    .optional()
    .meta({ description: 'Where calls wait with onExceed: queue.' }),
  shadow: z.boolean().prefault(false).meta({ description: 'Only report what would be refused.' }),
})

type Written = z.output<typeof limit>

const checkedLimit: z.ZodType<LimitConfig> = limit.transform((written, context): LimitConfig => {
  const problem = (setting: keyof Written, message: string): void => {
    context.issues.push({ code: 'custom', message, input: written[setting], path: [setting] })
  }
  const allowance = allowanceOf(written, problem)
  if (allowance === undefined) return z.NEVER
  const most = allowance.kind === 'gcra' ? allowance.burst : allowance.count
  const weights = Object.entries(written.weights)
  const heavy = weights.find(([, weight]) => weight > most)
  if (heavy !== undefined)
    problem('weights', `expected weights of at most ${most}: ${heavy[0]} could never be called`)
  if (written.queue !== undefined && written.onExceed !== 'queue')
    problem('queue', 'expected no queue without onExceed: queue')
  if (written.onExceed === 'queue' && written.shadow)
    problem(
      'shadow',
      'expected false with onExceed: queue, because nothing waits for a limit that only reports',
    )
  return {
    name: written.name ?? defaultName(written.key, allowance),
    key: written.key,
    methods: written.methods,
    match: { backend: written.match.backend, tool: written.match.tool },
    allowance,
    weights,
    queue: written.onExceed === 'queue' ? (written.queue ?? { size: 100, wait: 10_000 }) : undefined,
    shadow: written.shadow,
  }
})

type Complain = (setting: keyof Written, message: string) => void

function allowanceOf(written: Written, problem: Complain): Allowance | undefined {
  const { rate, burst, concurrency, quota } = written
  const stated = [rate, concurrency, quota].filter((one) => one !== undefined)
  if (stated.length !== 1) {
    problem('rate', 'expected exactly one of rate, concurrency and quota')
    return undefined
  }
  if (burst !== undefined && rate === undefined) problem('burst', 'expected no burst without a rate')
  if (quota !== undefined) return { kind: 'quota', ...quota }
  if (concurrency !== undefined) return { kind: 'concurrency', count: concurrency }
  if (rate === undefined) return undefined
  if (burst !== undefined) return { kind: 'gcra', ...rate, burst }
  if (rate.count > MOST_IN_WINDOW)
    problem('rate', `expected at most ${MOST_IN_WINDOW} calls in a sliding window; larger rates need a burst`)
  return { kind: 'window', ...rate }
}

function defaultName(key: readonly KeyPart[], { kind }: Allowance): string {
  return [...(key.length === 0 ? ['all'] : key), kind === 'window' || kind === 'gcra' ? 'rate' : kind].join(
    '-',
  )
}

/** The limit of whoever configures none: 60 tool calls per minute for each client. */
const DEFAULT_LIMIT = {
  name: 'default',
  key: ['principal'],
  rate: '60/1m',
}

/** `gateway.limits.requestsPerAddress`. */
export const requestsPerAddress: z.ZodType<RateConfig | undefined> = leaf(
  (found): Parsed<RateConfig | undefined> => {
    if (found === 'off') return { value: undefined }
    const parsed = parseRate(found)
    return 'value' in parsed
      ? parsed
      : { ...parsed, expected: parsed.expected.replace('expected', 'expected off, or') }
  },
  {
    ...textSchema('^(off|\\d+/\\d+(ms|s|m|h))$'),
    description:
      'HTTP requests of one client address, such as 600/1m, counted before authentication; or off.',
  },
)

const off = leaf(
  (found): Parsed<readonly LimitConfig[]> =>
    found === 'off'
      ? { value: [] }
      : { expected: 'expected off, or a list of at least one limit', words: ['off'] },
  { const: 'off' },
)

const list = z
  .array(checkedLimit)
  .min(1)
  .transform((found, context): readonly LimitConfig[] => {
    const names = new Set<string>()
    for (const [index, { name }] of found.entries()) {
      if (names.has(name)) {
        const message = `expected a name of its own: two limits are called ${name}`
        context.issues.push({ code: 'custom', message, input: name, path: [index, 'name'] })
      }
      names.add(name)
    }
    return found
  })

/** The `limits` section. */
export const limits: z.ZodType<readonly LimitConfig[]> = z.union([off, list]).prefault([DEFAULT_LIMIT]).meta({
  description: 'Limits on calls; off switches them off. If left out: 60 tools/call per minute and client.',
})
