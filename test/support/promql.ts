/** Finds in a query of Prometheus what it needs of a scrape: series, labels, values. Syntax is promtool's affair. */

/** One selector of a query, such as `calls{outcome="ok"}`. */
export interface Selector {
  readonly metric: string
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[]
}

/** What a query needs. */
export interface Needs {
  readonly selectors: readonly Selector[]
  /** Labels that it groups or joins by. */
  readonly labels: readonly string[]
}

const TOKEN = /"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[a-zA-Z_:][\w:]*|=~|!~|!=|==|>=|<=|[{}(),=<>+*/-]|[\d.]+/g

/** Words in front of a list of labels. */
const GROUPING = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'])
/** What stands behind the name of a function or an aggregation. */
const BEFORE = /^(\(|by|without)$/
const WORDS = new Set(['and', 'or', 'unless', 'bool', 'offset', ...GROUPING])

/** Reads a query. */
export function needsOf(query: string): Needs {
  const tokens: readonly string[] = query.match(TOKEN) ?? []
  const selectors: Selector[] = []
  const labels: string[] = []
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? ''
    if (GROUPING.has(token) && tokens[at + 1] === '(') {
      const end = tokens.indexOf(')', at)
      labels.push(...tokens.slice(at + 2, end).filter((each) => each !== ','))
      at = end
    } else if (/^[a-zA-Z_:]/.test(token) && !WORDS.has(token) && !BEFORE.test(tokens[at + 1] ?? '')) {
      const end = tokens[at + 1] === '{' ? tokens.indexOf('}', at) : at
      selectors.push({ metric: token, matchers: matchersIn(tokens.slice(at + 2, end)) })
      at = end
    }
  }
  return { selectors, labels }
}

function matchersIn(tokens: readonly string[]): Selector['matchers'] {
  return tokens.flatMap((label, index) =>
    /^[a-zA-Z_]/.test(label)
      ? [{ label, operator: tokens[index + 1] ?? '', value: (tokens[index + 2] ?? '').slice(1, -1) }]
      : [],
  )
}
