/** A URI template (RFC 6570) that URIs can be held against. */
export interface UriTemplate {
  /** Whether the template can expand to that URI. Takes time proportional to the product of both lengths at worst. */
  matches(uri: string): boolean
  /** Characters outside of expressions: of two templates that match, the one with more says more. */
  readonly literals: number
}

type Part =
  | { readonly kind: 'literal'; readonly text: string }
  | {
      readonly kind: 'expression'
      /** Characters that an expansion cannot hold. */
      readonly stops: string
      /** What an expansion begins with, if it is not empty; undefined where it is a value without a prefix. */
      readonly first: string | undefined
    }

/** Expressions of one template; one with more matches nothing. */
const MAX_EXPRESSIONS = 32

/** What expands to nothing more than values that are percent-encoded, or nearly so: many servers do not encode. */
const SIMPLE = '/?#'

/** RFC 6570 section 2.2, levels 1 to 4: the operator decides what an expansion begins with and what it can hold. */
const OPERATORS: Readonly<Record<string, Omit<Extract<Part, { kind: 'expression' }>, 'kind'>>> = {
  '+': { stops: '', first: undefined },
  '#': { stops: '', first: '#' },
  '.': { stops: SIMPLE, first: '.' },
  '/': { stops: '?#', first: '/' },
  ';': { stops: SIMPLE, first: ';' },
  '?': { stops: '#', first: '?' },
  '&': { stops: '#', first: '&' },
}

/**
 * Compiles a template. Modifiers (`:3`, `*`) do not narrow what matches. Values without a prefix are not empty.
 *
 * @returns undefined where it is no template of RFC 6570 or has too many expressions
 */
export function compileUriTemplate(template: string): UriTemplate | undefined {
  const parts: Part[] = []
  let literals = 0
  let at = 0
  while (at < template.length) {
    const open = template.indexOf('{', at)
    const end = open === -1 ? template.length : open
    if (end > at) parts.push({ kind: 'literal', text: template.slice(at, end) })
    literals += end - at
    if (open === -1) break
    const close = template.indexOf('}', open)
    const part = close === -1 ? undefined : expressionOf(template.slice(open + 1, close))
    if (part === undefined) return undefined
    parts.push(part)
    at = close + 1
  }
  if (parts.filter(({ kind }) => kind === 'expression').length > MAX_EXPRESSIONS) return undefined
  return { literals, matches: (uri) => matches(parts, uri) }
}

function expressionOf(expression: string): Part | undefined {
  const operator = /^[+#./;?&]/.exec(expression)?.[0]
  const names = operator === undefined ? expression : expression.slice(1)
  if (!/^[\w.%]/.test(names) || names.includes('{')) return undefined
  const shape = operator === undefined ? { stops: SIMPLE, first: undefined } : OPERATORS[operator]
  return shape === undefined ? undefined : { kind: 'expression', ...shape }
}

/**
 * Follows every way of matching at the same time, as the set of places in the URI that the parts so far can end at:
 * nothing is tried twice, so that no template can make this slow.
 */
function matches(parts: readonly Part[], uri: string): boolean {
  const [head] = parts
  if (head?.kind === 'literal' && !uri.startsWith(head.text)) return false
  let reached = new Uint8Array(uri.length + 1)
  reached[0] = 1
  for (const part of parts) {
    reached =
      part.kind === 'literal' ? afterLiteral(part.text, uri, reached) : afterExpression(part, uri, reached)
  }
  return reached[uri.length] === 1
}

type Places = Uint8Array<ArrayBuffer>

function afterLiteral(text: string, uri: string, reached: Places): Places {
  const next = new Uint8Array(reached.length)
  for (let at = 0; at + text.length <= uri.length; at++) {
    if (reached[at] === 1 && uri.startsWith(text, at)) next[at + text.length] = 1
  }
  return next
}

function afterExpression(part: Extract<Part, { kind: 'expression' }>, uri: string, reached: Places): Places {
  const next = new Uint8Array(reached.length)
  let inside = false
  for (let at = 0; at <= uri.length; at++) {
    if (inside) next[at] = 1
    // Without values, an expression with a prefix expands to nothing.
    if (part.first !== undefined && reached[at] === 1) next[at] = 1
    const char = uri.charAt(at)
    const begins = reached[at] === 1 && (part.first === undefined || char === part.first)
    inside = begins
      ? part.first !== undefined || !part.stops.includes(char)
      : inside && !part.stops.includes(char)
    if (char === '') inside = false
  }
  return next
}
