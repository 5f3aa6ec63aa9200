import type { Allowance, LimitConfig } from '../../config/limits-types.ts'
import { GatewayError } from '../../errors.ts'
import { periodSeconds } from '../../store/period.ts'
import type { Standing } from '../../store/limit-store.ts'
import type { RuleCharge } from './rules.ts'

/** How one limit of a call stands. */
export type RuleStanding = Standing<RuleCharge>

/** What callers are told to wait for other calls to end, in milliseconds: nobody knows how long that takes. */
const UNTIL_OTHERS_END = 1000

/**
 * The refusal of a call: it names the limit that takes longest to admit it, and never whose share is used up
 * (draft-ietf-httpapi-ratelimit-headers-11; RFC 6585 §4).
 */
export function refusal(standings: readonly RuleStanding[], waited?: number): GatewayError {
  const enforced = standings.filter(({ charge }) => !charge.limit.shadow)
  const against = enforced.filter(({ admits }) => !admits)
  const [first] = against.toSorted((a, b) => waitOf(b) - waitOf(a))
  if (first === undefined) throw new TypeError('Nothing stands against the call')
  const { config } = first.charge.rule
  const retryAfterMs = Math.ceil(waitOf(first))
  const after = waited === undefined ? '' : ` (after ${shown(waited)} in its queue)`
  return new GatewayError(
    config.allowance.kind === 'quota' ? 'QUOTA_EXCEEDED' : 'RATE_LIMITED',
    message(config, retryAfterMs) + after,
    {
      retryAfterMs,
      data: { limit: config.name, key: config.key },
      headers: {
        'ratelimit-policy': enforced.map(({ charge }) => policyItem(charge.rule.config)).join(', '),
        ratelimit: enforced.map(serviceLimit).join(', '),
      },
    },
  )
}

function waitOf({ charge, waitMs }: Standing): number {
  return charge.limit.allowance.kind === 'concurrency' ? UNTIL_OTHERS_END : Math.max(1, waitMs)
}

function message({ name, key, allowance }: LimitConfig, retryAfterMs: number): string {
  const whose = key.length === 0 ? 'all callers together' : `each ${key.join(' and ')}`
  return `Limit ${name} is reached: ${described(allowance)} for ${whose}; try again in ${shown(retryAfterMs)}`
}

/** What a limit allows, in words. */
function described(allowance: Allowance): string {
  switch (allowance.kind) {
    case 'window':
      return `${allowance.count} per ${shown(allowance.per)}`
    case 'gcra':
      return `${allowance.count} per ${shown(allowance.per)}, ${allowance.burst} at once`
    case 'quota':
      return `${allowance.count} per ${allowance.period}`
    case 'concurrency':
      return `${allowance.count} at once`
  }
}

function shown(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${Math.ceil(ms / 1000)} s`
}

/** A quota policy item (draft-ietf-httpapi-ratelimit-headers-11, "RateLimit-Policy Field"). */
function policyItem({ name, allowance }: LimitConfig): string {
  const { count } = allowance
  switch (allowance.kind) {
    case 'window':
      return `"${name}";q=${count};w=${seconds(allowance.per)}`
    case 'gcra':
      return `"${name}";q=${count};w=${seconds(allowance.per)};toolgate-burst=${allowance.burst}`
    case 'quota':
      return `"${name}";q=${count};w=${periodSeconds(allowance.period)}`
    case 'concurrency':
      return `"${name}";q=${count};qu="concurrent-requests"`
  }
}

/** A service limit item ("RateLimit Field"); `t` where waiting alone helps. */
function serviceLimit(standing: RuleStanding): string {
  const { charge, remaining, admits } = standing
  const { config } = charge.rule
  const wait = admits || config.allowance.kind === 'concurrency' ? '' : `;t=${seconds(waitOf(standing))}`
  return `"${config.name}";r=${remaining}${wait}`
}

/** Whole seconds, at least one: neither header knows fractions. */
function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000))
}
