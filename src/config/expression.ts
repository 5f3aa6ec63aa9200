import { celEnv, celFunc, CelScalar, isCelError, parse, plan } from '@bufbuild/cel'
import { nearest } from './nearest.ts'
import type { Parsed } from './units.ts'

/** The syntax tree of an expression, as the library has it. */
export type Tree = ReturnType<typeof parse>['expr']

/** An expression that was read and found to be about known things. */
export interface Expression {
  readonly text: string
  readonly tree: Tree
  /** Whether the arguments of the call decide. */
  readonly readsArguments: boolean
}

/** Longest expression, in characters. */
const MAX_EXPRESSION = 2000

/** Most operators, names and values in one expression. */
const MAX_NODES = 500

/** Deepest nesting of loops (`all`, `exists`, `map`, `filter`): each multiplies the work. */
const MAX_LOOPS = 2

/** What expressions know: the name of each variable and, where it has fixed members, those. */
const VARIABLES: Readonly<Record<string, readonly string[] | undefined>> = {
  principal: ['anonymous', 'subject', 'issuer', 'client', 'tenant', 'scopes', 'groups', 'claims'],
  route: undefined,
  method: undefined,
  backend: undefined,
  tool: undefined,
  prompt: undefined,
  resource: undefined,
  annotations: ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'],
  args: undefined,
}

/** Names of types, which CEL has as values. */
const TYPES: ReadonlySet<string> = new Set(
  'bool int uint double string bytes list map null_type type'.split(' '),
)

/** Operators that the evaluator has without being functions. */
const OPERATORS: ReadonlySet<string> = new Set(['_[_]', '_?_:_', '_&&_', '_||_', '@not_strictly_false'])

/** Name of the function that every step of a loop calls, so that work can be counted. Cannot be written by hand. */
export const TICK = '@tick'

/** Functions that expressions may call: those of the language, none that reads a clock. */
const LIBRARY = celEnv()

/** Their names, without those of operators. */
const FUNCTIONS: readonly string[] = [
  ...new Set([...LIBRARY.funcs].map(({ name }) => name).filter((name) => /^\w+$/.test(name))),
]

/**
 * Reads an expression in CEL (cel-spec v0.25), and refuses what can be seen to be wrong without a call: unknown
 * variables, members and functions, patterns that are no literal or no RE2, and what is too long or too deep.
 */
export function parseExpression(found: unknown): Parsed<Expression> {
  if (typeof found !== 'string' || found.trim() === '')
    return { expected: `expected a CEL expression, such as 'args.path.startsWith("/public/")'` }
  if (found.length > MAX_EXPRESSION)
    return { expected: `expected a CEL expression of at most ${MAX_EXPRESSION} characters` }
  try {
    const tree = parse(found).expr
    const reader = new Reader()
    reader.read(tree, [])
    // Planning finds the rest, such as an unknown type.
    plan(LIBRARY, tree)
    return { value: { text: found, tree, readsArguments: reader.readsArguments } }
  } catch (error) {
    return { expected: `expected a CEL expression: ${reasonOf(error)}` }
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof RangeError) return 'nested too deep'
  const message = error instanceof Error ? error.message : String(error)
  return message.replace(/^<input>:/, 'at ').slice(0, 200)
}

/** Walks a tree once. Throws an `Error` with the reason that the user is told. */
class Reader {
  readsArguments = false
  #nodes = 0

  read(tree: Tree | undefined, bound: readonly string[]): void {
    if (tree === undefined) return
    if (++this.#nodes > MAX_NODES) throw new Error(`more than ${MAX_NODES} parts`)
    const { exprKind } = tree
    switch (exprKind.case) {
      case 'constExpr':
        return
      case 'identExpr':
        return this.#identifier(exprKind.value.name, bound)
      case 'selectExpr':
        return this.#select(exprKind.value, bound)
      case 'callExpr':
        return this.#call(exprKind.value, bound)
      case 'listExpr':
        return exprKind.value.elements.forEach((element) => this.read(element, bound))
      case 'structExpr':
        return this.#struct(exprKind.value, bound)
      case 'comprehensionExpr':
        return this.#loop(exprKind.value, bound)
      default:
        throw new Error('not understood')
    }
  }

  #identifier(name: string, bound: readonly string[]): void {
    if (name === 'args') this.readsArguments = true
    if (bound.includes(name) || Object.hasOwn(VARIABLES, name) || TYPES.has(name)) return
    throw unknown('variable', name, Object.keys(VARIABLES))
  }

  #select({ operand, field }: Part<'selectExpr'>, bound: readonly string[]): void {
    this.read(operand, bound)
    const name = operand?.exprKind.case === 'identExpr' ? operand.exprKind.value.name : undefined
    const members = name === undefined || bound.includes(name) ? undefined : membersOf(name)
    if (members === undefined || members.includes(field)) return
    throw unknown(`member of ${name}`, field, members)
  }

  #call({ function: name, target, args }: Part<'callExpr'>, bound: readonly string[]): void {
    if (!OPERATORS.has(name) && LIBRARY.funcs.find(name) === undefined)
      throw unknown('function', name, FUNCTIONS)
    if (name === 'matches') checkPattern(args.at(-1))
    this.read(target, bound)
    for (const argument of args) this.read(argument, bound)
  }

  #struct({ messageName, entries }: Part<'structExpr'>, bound: readonly string[]): void {
    if (messageName !== '') throw new Error(`messages such as ${messageName} are not known here`)
    for (const { keyKind, value } of entries) {
      if (keyKind.case === 'mapKey') this.read(keyKind.value, bound)
      this.read(value, bound)
    }
  }

  #loop(loop: Part<'comprehensionExpr'>, bound: readonly string[]): void {
    const { iterVar, accuVar } = loop
    if (Object.hasOwn(VARIABLES, iterVar)) throw new Error(`${iterVar} is a variable already`)
    const inner = [...bound, iterVar, accuVar]
    if (inner.length / 2 > MAX_LOOPS) throw new Error(`loops nested more than ${MAX_LOOPS} deep`)
    this.read(loop.iterRange, bound)
    for (const part of [loop.accuInit, loop.loopCondition, loop.loopStep, loop.result]) this.read(part, inner)
  }
}

/** The value of one kind of node. */
type Part<Case extends Tree['exprKind']['case']> = Extract<
  Tree['exprKind'],
  { readonly case: Case }
>['value'] &
  object

function membersOf(name: string): readonly string[] | undefined {
  return Object.hasOwn(VARIABLES, name) ? VARIABLES[name] : undefined
}

function unknown(what: string, name: string, known: readonly string[]): Error {
  const meant = nearest(name, known)
  const advice = meant === undefined ? `known: ${known.join(', ')}` : `did you mean ${meant}?`
  return new Error(`unknown ${what} ${name}; ${advice}`)
}

/** A pattern of somebody else's could be any work; one of the operator's is compiled here once to see that it can be. */
function checkPattern(pattern: Tree | undefined): void {
  const constant = pattern?.exprKind.case === 'constExpr' ? pattern.exprKind.value.constantKind : undefined
  if (constant?.case !== 'stringValue') throw new Error('matches() takes a literal pattern')
  const tried = plan(LIBRARY, parse(`''.matches(${JSON.stringify(constant.value)})`))({})
  if (isCelError(tried)) throw new Error(`not a pattern of RE2: ${JSON.stringify(constant.value)}`)
}

/** An environment for planning in which `onStep` is called for each step of a loop; it throws to end the evaluation. */
export function countingEnvironment(onStep: () => void): ReturnType<typeof celEnv> {
  return celEnv({
    funcs: [
      celFunc(TICK, [], CelScalar.BOOL, () => {
        onStep()
        return true
      }),
    ],
  })
}
