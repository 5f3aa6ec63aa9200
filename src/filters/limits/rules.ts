import { createHash } from 'node:crypto'
import type { LimitConfig } from '../../config/limits-types.ts'
import type { Permitted } from '../../pipeline/call.ts'
import type { Charge, StoredLimit } from '../../store/limit-store.ts'
import { type KeyReader, backendOf, keyReader, toolOf } from './keys.ts'
import { type Matcher, wildcard } from './wildcard.ts'

/** A limit, ready to be applied. */
export interface Rule {
  readonly config: LimitConfig
  readonly stored: StoredLimit
}

/** A charge that knows which limit it is of. */
export interface RuleCharge extends Charge {
  readonly rule: Rule
}

/** What a call takes of the limits that are for it; undefined where none is. */
export type Charger = (call: Permitted) => readonly RuleCharge[] | undefined

interface Compiled extends Rule {
  readonly keyOf: KeyReader
  /** Undefined where every call matches. */
  readonly matches: ((call: Permitted) => boolean) | undefined
  readonly costOf: (call: Permitted) => number
}

/** Compiles limits: what they have in common with all calls of a method is found out once. */
export function chargerOf(limits: readonly LimitConfig[], pipe: string): Charger {
  const rules = limits.map((limit) => compile(limit, pipe))
  const named = new Set(limits.flatMap(({ methods }) => methods))
  const rulesFor = (method: string): readonly Compiled[] =>
    rules.filter(({ config }) => config.methods.includes(method) || config.methods.includes('*'))
  const byMethod = new Map([...named].map((method) => [method, rulesFor(method)]))
  const others = rulesFor('*')
  return (call) => {
    const candidates = byMethod.get(call.method) ?? others
    let charges: RuleCharge[] | undefined
    for (const rule of candidates) {
      if (rule.matches?.(call) === false) continue
      const charge = { rule, limit: rule.stored, key: rule.keyOf(call), cost: rule.costOf(call) }
      if (charges === undefined) charges = [charge]
      else charges.push(charge)
    }
    return charges
  }
}

function compile(config: LimitConfig, pipe: string): Compiled {
  const { name, key, allowance, shadow } = config
  const digest = createHash('sha256').update(
    JSON.stringify([name, key, allowance, config.match, config.methods]),
  )
  return {
    config,
    stored: { id: digest.digest('base64url').slice(0, 16), allowance, shadow },
    keyOf: keyReader(key, pipe),
    matches: matcherOf(config),
    costOf: costOf(config),
  }
}

function matcherOf({ match }: LimitConfig): Compiled['matches'] {
  const backend = match.backend === undefined ? undefined : wildcard(match.backend)
  const tool = match.tool === undefined ? undefined : wildcard(match.tool)
  if (backend === undefined && tool === undefined) return undefined
  return (call) => fits(backend, backendOf(call)) && fits(tool, toolOf(call))
}

/** What a call does not have fits no pattern. */
function fits(matcher: Matcher | undefined, value: string): boolean {
  return matcher === undefined || (value !== '' && matcher(value))
}

function costOf({ weights }: LimitConfig): Compiled['costOf'] {
  if (weights.length === 0) return () => 1
  const compiled = weights.map(([pattern, weight]) => ({ matches: wildcard(pattern), weight }))
  return (call) => {
    const name = `${backendOf(call)}/${toolOf(call)}`
    return compiled.find(({ matches }) => matches(name))?.weight ?? 1
  }
}
