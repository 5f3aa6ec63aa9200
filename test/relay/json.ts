import fc from 'fast-check'

/** JSON as it was written: every scalar and key is its exact text. White space between them is not kept. */
export type Written =
  | { readonly kind: 'object'; readonly members: readonly (readonly [rawKey: string, value: Written])[] }
  | { readonly kind: 'array'; readonly items: readonly Written[] }
  | { readonly kind: 'scalar'; readonly raw: string }

const TOKEN = /[ \t\r\n]*("(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+)/y

/** Reads JSON that is known to be correct. Shares no code with the gateway. */
export function readWritten(text: string): Written {
  const tokens: string[] = []
  TOKEN.lastIndex = 0
  for (let found = TOKEN.exec(text); found !== null; found = TOKEN.exec(text)) tokens.push(found[1] ?? '')
  let at = 0
  const value = (): Written => {
    const token = tokens[at++] ?? ''
    if (token === '{') {
      const members: (readonly [string, Written])[] = []
      while (tokens[at] !== '}') {
        const key = tokens[at++] ?? ''
        at++
        members.push([key, value()])
        if (tokens[at] === ',') at++
      }
      at++
      return { kind: 'object', members }
    }
    if (token !== '[') return { kind: 'scalar', raw: token }
    const items: Written[] = []
    while (tokens[at] !== ']') {
      items.push(value())
      if (tokens[at] === ',') at++
    }
    at++
    return { kind: 'array', items }
  }
  return value()
}

/** The text of every token, in order. */
export function written(value: Written): string {
  switch (value.kind) {
    case 'scalar':
      return value.raw
    case 'array':
      return `[${value.items.map(written).join(',')}]`
    case 'object':
      return `{${value.members.map(([key, inner]) => `${key}:${written(inner)}`).join(',')}}`
  }
}

/** The value of a member, by its decoded key. */
export function at(value: Written | undefined, ...path: readonly string[]): Written | undefined {
  let found = value
  for (const key of path) {
    found = found?.kind === 'object' ? found.members.find(([raw]) => JSON.parse(raw) === key)?.[1] : undefined
  }
  return found
}

/** The value without members at the end of these paths. */
export function without(value: Written, paths: readonly (readonly string[])[]): Written {
  if (value.kind !== 'object') return value
  const members = value.members.flatMap(([raw, inner]) => {
    const key: unknown = JSON.parse(raw)
    const deeper = paths.filter(([first]) => first === key).map(([, ...rest]) => rest)
    if (deeper.some((rest) => rest.length === 0)) return []
    return [[raw, deeper.length === 0 ? inner : without(inner, deeper)] as const]
  })
  return { kind: 'object', members }
}

const spaces = fc.constantFrom('', '', '', ' ', '\n', '\t', '\r\n  ')

/** Numbers that a detour over doubles would change. */
const FRAGILE = [
  ...'1.0 1e5 1E+2 -0 -0.0 0.10 1e-0 18446744073709551616 9007199254740993 1e400 -1E-400'.split(' '),
  '0.1000000000000000055511151231257827',
  '7'.repeat(400),
]

const numbers = fc.oneof(
  fc.constantFrom(...FRAGILE),
  fc
    .tuple(fc.bigInt(), fc.constantFrom('', '.0', '.50', 'e7', 'E+07', '.0e-3'))
    .map(([int, rest]) => `${int}${rest}`),
)

/** Characters in every way of writing them. */
const PIECES = [
  ...String.raw`a Z / é 😀 } ] , : ' \/ \" \\ \n \b \r\n \u0041 \u0000 \u00e9 \uD83D\uDE00 \udfff \u2028`.split(
    ' ',
  ),
  ' ',
  'data: ',
  '\u2028',
  '\u007f',
  '\uFFFD',
]

const strings = fc.array(fc.constantFrom(...PIECES), { maxLength: 6 }).map((pieces) => `"${pieces.join('')}"`)

const literals = fc.constantFrom('true', 'false', 'null')

/** The text of any JSON value, with white space where it may stand. */
export const jsonText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.oneof(numbers, strings, literals),
    fc
      .tuple(spaces, fc.array(tie('value'), { maxLength: 4 }))
      .map(([space, items]) => `[${space}${items.join(`${space},`)}${space}]`),
    objectText(tie('value'), ''),
  ),
})).value

/** The text of members with different keys; each key begins with `prefix`, so that it meets no known one. */
export function membersText(value: fc.Arbitrary<string>, prefix: string): fc.Arbitrary<readonly string[]> {
  const key = strings.map((raw) => `"${prefix}${raw.slice(1)}`)
  return fc
    .uniqueArray(fc.tuple(key, value, spaces), {
      maxLength: 3,
      selector: ([raw]) => JSON.parse(raw) as string,
    })
    .map((members) => members.map(([raw, inner, space]) => `${space}${raw}${space}:${space}${inner}${space}`))
}

function objectText(value: fc.Arbitrary<string>, prefix: string): fc.Arbitrary<string> {
  return membersText(value, prefix).map((members) => `{${members.join(',')}}`)
}

/** The text of an object with these members and unknown ones between them, in any order. */
export function objectWith(known: Readonly<Record<string, fc.Arbitrary<string>>>): fc.Arbitrary<string> {
  const fixed = Object.entries(known).map(([key, value]) =>
    fc
      .tuple(spaces, value)
      .map(([space, inner]) => (inner === '' ? '' : `${space}"${key}":${space}${inner}`)),
  )
  return fc
    .tuple(fc.tuple(...fixed), membersText(jsonText, 'x-'), spaces)
    .chain(([members, unknown, space]) => {
      const all = [...members, ...unknown].filter((member) => member !== '')
      return fc
        .shuffledSubarray(all, { minLength: all.length })
        .map((shuffled) => `{${shuffled.join(',')}${space}}`)
    })
}
