import type { PartTimeouts, ResilienceConfig, ToolPolicyConfig } from '../config/resilience.ts'
import type { OneTarget } from '../pipeline/target.ts'
import { wildcard } from './limits/wildcard.ts'

/** What the operator's configuration says about the tools of one backend. */
export interface ToolPolicies {
  /** The first policy that fits the name; undefined where none does. */
  of(tool: string | undefined): ToolPolicyConfig | undefined
  /** The parts of a target's time; undefined where nothing bounds them. */
  timesOf(target: OneTarget): PartTimeouts | undefined
}

/** Tools of which it is remembered what fits; more are looked up anew. */
const REMEMBERED = 10_000

/** Prepares the policies of one backend. */
export function createToolPolicies({ tools, firstByte, idle }: ResilienceConfig): ToolPolicies {
  const known = new Map<string, ToolPolicyConfig | undefined>()
  const patterns = tools.map((policy) => ({ policy, fits: wildcard(policy.pattern) }))
  const lookUp = (tool: string): ToolPolicyConfig | undefined => {
    const found = patterns.find(({ fits }) => fits(tool))?.policy
    if (known.size >= REMEMBERED) known.clear()
    known.set(tool, found)
    return found
  }
  const of = (tool: string | undefined): ToolPolicyConfig | undefined => {
    if (tool === undefined || patterns.length === 0) return undefined
    return known.has(tool) ? known.get(tool) : lookUp(tool)
  }
  return {
    of,
    timesOf({ name }) {
      const policy = of(name)
      const times = { firstByte: policy?.firstByte ?? firstByte, idle: policy?.idle ?? idle }
      return times.firstByte === undefined && times.idle === undefined ? undefined : times
    },
  }
}
