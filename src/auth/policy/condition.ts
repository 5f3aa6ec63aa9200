import { isCelError, plan } from '@bufbuild/cel'
import { type Expression, TICK, type Tree, countingEnvironment } from '../../config/expression.ts'
import type { Clock } from '../../pipeline/clock.ts'

/** A value that expressions can read. Objects are maps, so that no member of theirs can pass for something else. */
export type Value = null | boolean | number | string | readonly Value[] | ReadonlyMap<string, Value>

/** The variables of expressions; `args` is left out where the arguments are not known. */
export type Facts = Readonly<Record<string, Value>>

/** What came of an expression: an error is no answer, and is never a yes. */
export type Outcome =
  { readonly kind: 'true' } | { readonly kind: 'false' } | { readonly kind: 'error'; readonly reason: string }

/** An expression, ready to be evaluated any number of times. */
export interface Condition {
  readonly text: string
  readonly readsArguments: boolean
  /** Whether it is true of these facts, with `args` among them. */
  evaluate(facts: Facts): Outcome
  /** What it comes to whatever the arguments are; undefined where they decide. */
  foresee(facts: Facts): Outcome | undefined
}

/** Most steps of all loops of one evaluation together. */
const MAX_STEPS = 10_000

/** Milliseconds after which the next step of a loop ends the evaluation. */
const MAX_TIME = 50

const TRUE: Outcome = { kind: 'true' }
const FALSE: Outcome = { kind: 'false' }

/** Plans an expression. What it may cost is bounded by steps and by time; one step costs no more than its text is long. */
export function createCondition(expression: Expression, clock: Pick<Clock, 'now'>): Condition {
  const budget: { steps: number; until: number; overrun: string | undefined } = {
    steps: 0,
    until: 0,
    overrun: undefined,
  }
  const environment = countingEnvironment(() => {
    if (++budget.steps > MAX_STEPS) budget.overrun = `more than ${MAX_STEPS} steps`
    else if (clock.now() > budget.until) budget.overrun = `more than ${MAX_TIME} ms`
    // Ends this loop and those around it. What the expression makes of the error does not count.
    if (budget.overrun !== undefined) throw new Error(budget.overrun)
  })
  const run = (tree: Tree): ((facts: Facts) => Outcome) => {
    const evaluate = plan(environment, tree)
    return (facts) => {
      budget.steps = 0
      budget.until = clock.now() + MAX_TIME
      budget.overrun = undefined
      const outcome = outcomeOf(evaluate(facts))
      return budget.overrun === undefined ? outcome : { kind: 'error', reason: budget.overrun }
    }
  }
  const evaluate = run(rewritten(expression.tree, countSteps))
  if (!expression.readsArguments)
    return { text: expression.text, readsArguments: false, evaluate, foresee: evaluate }
  const foresee = run(rewritten(rewritten(expression.tree, forgetArguments), countSteps))
  return {
    text: expression.text,
    readsArguments: true,
    evaluate,
    foresee: (facts) => {
      // What depends on what is not known is an error, which `&&` and `||` absorb where the other side decides.
      const outcome = foresee(facts)
      return outcome.kind === 'error' ? undefined : outcome
    },
  }
}

function outcomeOf(result: unknown): Outcome {
  if (result === true) return TRUE
  if (result === false) return FALSE
  const reason = isCelError(result) ? result.message : 'is neither true nor false'
  return { kind: 'error', reason: reason.slice(0, 200) }
}

/** The value in a form that expressions can read. */
export function toValue(json: unknown): Value {
  if (Array.isArray(json)) return json.map(toValue)
  if (typeof json === 'object' && json !== null)
    return new Map(Object.entries(json).map(([key, value]) => [key, toValue(value)]))
  if (typeof json === 'string' || typeof json === 'number' || typeof json === 'boolean') return json
  return null
}

/** Replaces a node, or returns undefined to leave it and look inside. */
type Rewrite = (node: Tree) => Tree | undefined

const called = (like: Tree, name: string, args: readonly Tree[]): Tree => ({
  $typeName: 'cel.expr.Expr',
  id: like.id,
  exprKind: { case: 'callExpr', value: { $typeName: 'cel.expr.Expr.Call', function: name, args: [...args] } },
})

/** A function that does not exist: calling it is an error wherever its value is wanted. */
const forgetArguments: Rewrite = (node) =>
  node.exprKind.case === 'identExpr' && node.exprKind.value.name === 'args'
    ? called(node, '@unknown', [])
    : undefined

const countSteps: Rewrite = (node) => {
  if (node.exprKind.case !== 'comprehensionExpr') return undefined
  const loop = node.exprKind.value
  const inner = rewrittenMembers(loop, countSteps)
  const { loopCondition } = inner
  if (loopCondition === undefined) return undefined
  const counted = called(loopCondition, '_&&_', [called(loopCondition, TICK, []), loopCondition])
  return {
    ...node,
    exprKind: { case: 'comprehensionExpr', value: { ...inner, loopCondition: counted } },
  }
}

function rewritten(tree: Tree, rewrite: Rewrite): Tree {
  return rewrite(tree) ?? rewrittenMembers(tree, rewrite)
}

/** A copy in which every tree below has been rewritten. */
function rewrittenMembers<T extends object>(node: T, rewrite: Rewrite): T {
  const copy: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(node)) copy[key] = rewrittenValue(value, rewrite)
  return copy as T
}

function rewrittenValue(value: unknown, rewrite: Rewrite): unknown {
  if (Array.isArray(value)) return value.map((item) => rewrittenValue(item, rewrite))
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return isTree(value) ? rewritten(value, rewrite) : rewrittenMembers(value, rewrite)
}

function isTree(value: object): value is Tree {
  return '$typeName' in value && value.$typeName === 'cel.expr.Expr'
}
