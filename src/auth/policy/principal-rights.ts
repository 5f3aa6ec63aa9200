import type { Principal } from '../../pipeline/call.ts'
import type { Listed } from '../../pipeline/rights.ts'
import { member, valueOf } from '../../protocol/json.ts'
import type { RequestMessage } from '../../protocol/message.ts'
import { type ListKind, METHOD_OF_CALL } from '../../protocol/methods.ts'
import { toolHints } from '../../protocol/tool-hints.ts'
import { type Facts, type Outcome, type Value, toValue } from './condition.ts'
import type { Rule } from './rule.ts'
import { type ScopeBook, holdsScope } from './scopes.ts'
import { type Asked, isTreacherous } from './things.ts'
import type { CallRights, Candidate, RuleIndex, Verdict } from './verdict.ts'

/** What the rights of one principal on one route are made of. */
export interface RightsPorts {
  readonly principal: Principal
  /** Of the route. */
  readonly path: string
  readonly rules: readonly Rule[]
  readonly index: RuleIndex
  readonly scopes: ScopeBook
  /** Bytes of arguments that are looked at. */
  readonly argumentSize: number
}

/** What the rules come to before the arguments are known. */
export interface Settled {
  /** Rules that are true of some calls, in order; the arguments decide which. */
  readonly open: readonly Rule[]
  /** The verdict where none of them is true. */
  readonly final: Verdict
}

/** The arguments as expressions read them, or why they cannot be. */
export type Arguments = { readonly value: Value } | { readonly problem: string }

/** Verdicts that are kept per principal and route. */
const MAX_KEPT = 256

const DEFAULT: Verdict = { effect: 'deny', by: 'default' }

/** No rule is asked about such a URI. */
const TREACHEROUS: Verdict = { effect: 'deny', by: 'default', problem: 'the URI could mean another one' }

/** The reason of the expression is left out: it may hold arguments or claims. */
const UNDECIDED = 'when cannot be evaluated'

const NOBODY: ReadonlySet<string> = new Set()

/** The rights of one principal on one route. */
export class PrincipalRights implements CallRights {
  readonly #ports: RightsPorts
  readonly #held: ReadonlySet<string>
  #principalValue: Value | undefined
  readonly #kept = new Map<readonly Candidate[], Settled>()

  constructor(ports: RightsPorts) {
    const { principal, scopes } = ports
    this.#ports = ports
    this.#held = principal.anonymous ? NOBODY : scopes.heldWith(principal.scopes)
  }

  decide(asked: Asked, message: RequestMessage): Verdict {
    if (asked.kind === 'resources' && isTreacherous(asked.key)) return TREACHEROUS
    const { open, final } = this.#settled(asked)
    return open.length === 0 ? final : this.judge(asked, { open, final }, this.argumentsOf(message))
  }

  sees(listed: Listed): boolean {
    if (listed.kind === 'resources' && isTreacherous(listed.key)) return false
    const { open, final } = this.#settle(listed, this.#ports.index(listed))
    return final.effect === 'allow' || open.some(({ effect }) => effect === 'allow')
  }

  reaches(backend: string, kind?: ListKind): boolean {
    return this.#ports.rules.some(
      (rule) => rule.effect === 'allow' && rule.things.reaches(backend, kind) && this.isFor(rule),
    )
  }

  scopesFor(asked: Asked, message: RequestMessage): readonly string[] | undefined {
    // No scope makes such a URI mean one thing.
    if (asked.kind === 'resources' && isTreacherous(asked.key)) return undefined
    const args = this.argumentsOf(message)
    for (const { rule, coverage } of this.#ports.index(asked)) {
      if (this.unmet(rule, false) !== undefined) continue
      const lacks = rule.scopes.some((scope) => !holdsScope(this.#held, scope))
      // Whoever gets more scopes may be denied by more: that is for the next answer to say.
      if (rule.effect === 'deny' && (lacks || coverage !== 'all')) continue
      const outcome = 'value' in args ? this.ask(rule, asked, args.value) : undefined
      if (outcome?.kind === 'false') continue
      if (rule.effect === 'deny' || outcome?.kind !== 'true' || !lacks) return undefined
      const names = rule.scopes.map((scope) => this.#ports.scopes.nameFor(scope))
      if (names.every((name) => name !== undefined)) return names
    }
    return undefined
  }

  /** Whether the rule is about this principal on this route. */
  isFor(rule: Rule): boolean {
    return this.unmet(rule, true) === undefined
  }

  /** The first setting of the rule that is not true of this principal and route. */
  unmet({ who, routes, scopes }: Rule, askScopes: boolean): string | undefined {
    const { principal, path } = this.#ports
    if (routes !== undefined && !routes.some((route) => route.matches(path))) return 'routes'
    for (const { setting, holds } of who) if (!holds(principal)) return setting
    const lacks = askScopes && scopes.some((scope) => !holdsScope(this.#held, scope))
    return lacks ? 'scopes' : undefined
  }

  /** What the condition of the rule says; `true` where it has none. */
  ask({ condition }: Rule, asked: Asked, args: Value): Outcome {
    return condition === undefined ? { kind: 'true' } : condition.evaluate({ ...this.factsOf(asked), args })
  }

  /** Lets the arguments decide what they have to. */
  judge(asked: Asked, { open, final }: Settled, args: Arguments): Verdict {
    const [first] = open
    if (first === undefined) return final
    if ('problem' in args) return { effect: 'deny', by: first.label, problem: args.problem }
    const facts = { ...this.factsOf(asked), args: args.value }
    for (const rule of open) {
      const outcome = rule.condition?.evaluate(facts)
      if (outcome?.kind === 'error') return { effect: 'deny', by: rule.label, problem: UNDECIDED }
      if (outcome?.kind === 'true') return { effect: rule.effect, by: rule.label }
    }
    return final
  }

  /** The arguments of a call, unless they are too large to look at. */
  argumentsOf({ params, text }: RequestMessage): Arguments {
    const node = member(params, 'arguments')
    if (node === undefined) return { value: new Map() }
    const { argumentSize } = this.#ports
    // UTF-16 units are at most bytes.
    if (node.end - node.start > argumentSize)
      return { problem: `arguments of more than ${argumentSize} bytes` }
    return { value: toValue(valueOf(text, node)) }
  }

  /** What expressions can read about a call, apart from its arguments. */
  factsOf(asked: Asked): Facts {
    const { kind, backend, key } = asked
    const hints = kind === 'tools' ? (asked.hints ?? toolHints()) : undefined
    return {
      principal: (this.#principalValue ??= principalValue(this.#ports.principal, this.#held)),
      route: this.#ports.path,
      method: kind === 'method' ? key : METHOD_OF_CALL[kind],
      backend,
      tool: kind === 'tools' ? key : '',
      prompt: kind === 'prompts' ? key : '',
      resource: kind === 'resources' || kind === 'resourceTemplates' ? key : '',
      annotations: toValue(hints ?? {}),
    }
  }

  /** For calls: what was called is called again. */
  #settled(asked: Asked): Settled {
    const candidates = this.#ports.index(asked)
    const kept = this.#kept.get(candidates)
    if (kept !== undefined) return kept
    const settled = this.#settle(asked, candidates)
    if (this.#kept.size >= MAX_KEPT) this.#kept.clear()
    this.#kept.set(candidates, settled)
    return settled
  }

  #settle(asked: Asked, candidates: readonly Candidate[]): Settled {
    const open: Rule[] = []
    let facts: Facts | undefined
    for (const { rule, coverage } of candidates) {
      if (!this.isFor(rule)) continue
      const { condition, effect, label } = rule
      const outcome = condition?.foresee((facts ??= this.factsOf(asked)))
      if (outcome?.kind === 'false') continue
      if (outcome?.kind === 'error') return { open, final: { effect: 'deny', by: label, problem: UNDECIDED } }
      const certain = (condition === undefined || outcome !== undefined) && coverage === 'all'
      if (certain) return { open, final: { effect, by: label } }
      open.push(rule)
    }
    return { open, final: DEFAULT }
  }
}

function principalValue(principal: Principal, held: ReadonlySet<string>): Value {
  if (principal.anonymous) {
    const nothing = { subject: null, issuer: null, client: null, tenant: null }
    return toValue({ anonymous: true, ...nothing, scopes: [], groups: [], claims: {} })
  }
  const { subject, issuer, client, tenant, groups, claims } = principal
  const known = { subject, issuer, client, tenant }
  return toValue({ anonymous: false, ...known, scopes: [...held], groups: [...groups], claims })
}
