import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type ParamHeader,
  buildParamHeaders,
  checkParamHeaders,
  paramValues,
  readParamHeaders,
} from './param-headers.ts'

// The same cases in every run.
fc.configureGlobal({ seed: 20260728 })

const annotated = (name: unknown, type: unknown = 'string'): object => ({ type, 'x-mcp-header': name })
const schema = (properties: object, more: object = {}): object => ({ type: 'object', properties, ...more })

function headersOf(inputSchema: unknown): readonly ParamHeader[] {
  const read = readParamHeaders(inputSchema)
  assert.ok(read.ok, read.ok ? '' : read.reason)
  return read.headers
}

function reasonOf(inputSchema: unknown): string {
  const read = readParamHeaders(inputSchema)
  return read.ok ? 'accepted' : read.reason
}

test('annotations are found at any depth of properties', () => {
  const found = headersOf(
    schema({
      region: annotated('Region'),
      plain: { type: 'string' },
      target: schema({
        'a.b': annotated('X-Count_1', 'integer'),
        deep: { properties: { on: annotated("!#$%&'*+-.^_`|~", 'boolean') } },
      }),
    }),
  )
  assert.deepEqual(found, [
    { header: 'mcp-param-region', path: ['region'], type: 'string' },
    { header: 'mcp-param-x-count_1', path: ['target', 'a.b'], type: 'integer' },
    { header: "mcp-param-!#$%&'*+-.^_`|~", path: ['target', 'deep', 'on'], type: 'boolean' },
  ])
})

test('a schema without annotations has none, whatever it is', () => {
  for (const input of [
    schema({ a: { type: 'number' } }),
    {},
    undefined,
    null,
    true,
    'x',
    [],
    { properties: null },
  ]) {
    assert.deepEqual(headersOf(input), [])
  }
})

test('a name must be a token', () => {
  for (const name of [
    '',
    ' ',
    'a b',
    'a:b',
    'a\r\nb',
    'é',
    'a\0',
    '"a"',
    'a/b',
    'a\n',
    null,
    1,
    true,
    {},
    ['Region'],
    undefined,
  ]) {
    assert.match(reasonOf(schema({ a: annotated(name) })), /is no header name$/, JSON.stringify(name))
  }
})

test('names are unique whatever their case, and wherever they stand', () => {
  assert.match(reasonOf(schema({ a: annotated('Region'), b: annotated('REGION') })), /twice/)
  assert.match(reasonOf(schema({ a: annotated('Region'), b: schema({ c: annotated('region') }) })), /twice/)
})

test('only strings, integers and booleans can be mirrored', () => {
  for (const type of [
    'number',
    'object',
    'array',
    'null',
    'String',
    undefined,
    null,
    ['string'],
    ['string', 'null'],
  ]) {
    assert.match(
      reasonOf(schema({ a: { type, 'x-mcp-header': 'A' } })),
      /needs the type/,
      JSON.stringify(type),
    )
  }
  assert.match(reasonOf(schema({ a: { 'x-mcp-header': 'A' } })), /needs the type/)
})

test('an annotation that properties alone do not lead to makes the definition invalid', () => {
  const a = annotated('A')
  const inner = schema({ a })
  const elsewhere: readonly object[] = [
    { 'x-mcp-header': 'A', type: 'string' },
    schema({ list: { type: 'array', items: a } }),
    schema({ list: { items: inner } }),
    schema({ list: { items: [a] } }),
    schema({ list: { prefixItems: [a] } }),
    schema({ list: { contains: a } }),
    schema({ x: { additionalProperties: a } }),
    schema({ x: { unevaluatedProperties: inner } }),
    schema({ x: { unevaluatedItems: a } }),
    schema({ x: { propertyNames: a } }),
    schema({}, { patternProperties: { '^x': a } }),
    schema({}, { dependentSchemas: { x: inner } }),
    schema({}, { dependencies: { x: inner } }),
    ...['oneOf', 'anyOf', 'allOf'].map((keyword) => schema({}, { [keyword]: [{}, inner] })),
    ...['not', 'if', 'then', 'else', 'contentSchema', 'unknown'].map((keyword) =>
      schema({}, { [keyword]: inner }),
    ),
    schema({ a: { $ref: '#/$defs/a' } }, { $defs: { a } }),
    schema({ a: { $ref: '#/definitions/a' } }, { definitions: { a } }),
    schema({ x: { oneOf: [{ properties: { a } }] } }),
    { properties: [a] },
    schema({ x: [a] }),
  ]
  for (const input of elsewhere) {
    assert.match(reasonOf(input), /"properties" alone do not lead/, JSON.stringify(input))
  }
})

test('a parameter may be called x-mcp-header, and examples may hold it', () => {
  const data = { 'x-mcp-header': 'A' }
  assert.deepEqual(headersOf(schema({ 'x-mcp-header': { type: 'string' } })), [])
  assert.deepEqual(
    headersOf(schema({ a: { type: 'object', default: data, const: data, enum: [data], examples: [data] } })),
    [],
  )
  assert.deepEqual(headersOf(schema({ default: annotated('A'), properties: annotated('B') })), [
    { header: 'mcp-param-a', path: ['default'], type: 'string' },
    { header: 'mcp-param-b', path: ['properties'], type: 'string' },
  ])
  assert.deepEqual(
    headersOf({ $defs: { 'x-mcp-header': {} }, patternProperties: { 'x-mcp-header': {} } }),
    [],
  )
})

test('names out of the prototype are names', () => {
  const input: unknown = JSON.parse(
    '{"properties":{"__proto__":{"type":"string","x-mcp-header":"__proto__"},"constructor":{"type":"string","x-mcp-header":"constructor"}}}',
  )
  const headers = headersOf(input)
  assert.deepEqual(
    headers.map(({ path }) => path),
    [['__proto__'], ['constructor']],
  )
  assert.deepEqual(buildParamHeaders({}, headers), {})
  assert.deepEqual(buildParamHeaders(JSON.parse('{"__proto__":"x"}'), headers), {
    'mcp-param-__proto__': 'x',
  })
})

test('a schema too deep or too large to be checked is invalid', () => {
  let deep: object = {}
  for (let level = 0; level < 10_000; level++) deep = { not: deep }
  assert.match(reasonOf(deep), /too deeply/)
  assert.match(reasonOf({ enums: Array.from({ length: 200_000 }, () => 0) }), /too large/)
  let usual: object = annotated('A')
  for (let level = 0; level < 20; level++) usual = schema({ a: usual })
  assert.equal(headersOf(usual).length, 1)
})

const region: ParamHeader = { header: 'mcp-param-region', path: ['region'], type: 'string' }
const count: ParamHeader = { header: 'mcp-param-count', path: ['a', 'count'], type: 'integer' }
const on: ParamHeader = { header: 'mcp-param-on', path: ['on'], type: 'boolean' }
const all = [region, count, on]

test('values are read at their exact path and written as the specification says', () => {
  assert.deepEqual(buildParamHeaders({ region: 'us-west1', a: { count: -7 }, on: false }, all), {
    'mcp-param-region': 'us-west1',
    'mcp-param-count': '-7',
    'mcp-param-on': 'false',
  })
  assert.deepEqual(buildParamHeaders({ region: 'Grüße', a: { count: JSON.parse('42.0') as unknown } }, all), {
    'mcp-param-region': '=?base64?R3LDvMOfZQ==?=',
    'mcp-param-count': '42',
  })
  assert.deepEqual(paramValues({ region: ' x' }, [region]), [{ header: 'mcp-param-region', value: ' x' }])
  assert.deepEqual(buildParamHeaders({ a: { count: Number.MAX_SAFE_INTEGER } }, all), {
    'mcp-param-count': '9007199254740991',
  })
})

test('without a value of the declared type nothing is mirrored', () => {
  for (const args of [
    undefined,
    null,
    'x',
    [],
    {},
    { region: null, a: null, on: null },
    { region: 1, a: { count: '1' }, on: 'true' },
    { region: ['x'], a: [1], on: {} },
    { a: { count: 1.5 } },
    { a: { count: 2 ** 53 } },
    { a: { count: -(2 ** 53) } },
    { a: Object.assign([], { count: 1 }) },
    { a: 'count' },
    Object.create({ region: 'inherited' }),
  ]) {
    assert.deepEqual(
      paramValues(args, all).map(({ value }) => value),
      [undefined, undefined, undefined],
    )
    assert.deepEqual(buildParamHeaders(args, all), {})
    assert.equal(
      checkParamHeaders(args, all, () => undefined),
      undefined,
    )
  }
})

/** Checks one parameter against one received header. */
function checked(args: unknown, header: ParamHeader, received: string | undefined): string {
  const asked: string[] = []
  const message = checkParamHeaders(args, [header], (name) => {
    asked.push(name)
    return received
  })
  assert.deepEqual(asked, [header.header])
  return message ?? 'fine'
}

test('a header must be there and say what the body says', () => {
  assert.equal(checked({ region: 'eu' }, region, 'eu'), 'fine')
  assert.equal(checked({ region: 'eu' }, region, '=?base64?ZXU=?='), 'fine')
  assert.equal(checked({ region: '' }, region, ''), 'fine')
  assert.equal(checked({ on: true }, on, 'true'), 'fine')
  assert.match(
    checked({ region: 'eu' }, region, undefined),
    /mcp-param-region is missing, but arguments\.region has a value$/,
  )
  assert.match(checked({ region: 'eu' }, region, 'EU'), /mcp-param-region does not match arguments\.region$/)
  assert.match(checked({ region: 'eu' }, region, 'eu, eu'), /does not match/)
  assert.match(checked({ region: 'ZXU=' }, region, '=?base64?ZXU=?='), /does not match/)
  assert.match(checked({ region: 'a\ud800' }, region, 'a\uFFFD'), /not correctly encoded/)
  assert.match(checked({ on: true }, on, 'True'), /does not match/)
  assert.match(checked({ on: false }, on, undefined), /missing/)
  assert.match(checked({ a: { count: 0 } }, count, undefined), /missing/)
  assert.match(checked({ region: '' }, region, undefined), /missing/)
})

test('a header that is badly encoded is refused', () => {
  for (const received of ['=?base64?ZXU?=', '=?base64?!?=', 'é', 'a\0']) {
    assert.match(checked({ region: 'eu' }, region, received), /not correctly encoded/)
    assert.match(checked({}, region, received), /not correctly encoded/)
  }
})

test('a header without a value in the body is refused', () => {
  for (const args of [{}, { region: null }, undefined]) {
    assert.match(checked(args, region, 'eu'), /was sent, but arguments\.region has no value/)
  }
})

test('integers are compared as numbers, exactly', () => {
  const table: readonly (readonly [number, string, boolean])[] = [
    [42, '42', true],
    [42, '42.0', true],
    [42, '042', true],
    [-7, '-7.00', true],
    [0, '-0', true],
    [42, '43', false],
    [42, '42.5', false],
    [42, '42.00000000000000000000001', false],
    [42, '0x2a', false],
    [42, '4.2e1', false],
    [42, ' 42', false],
    [42, '+42', false],
    [0, '', false],
    [9007199254740991, '9007199254740991.0', true],
    [9007199254740991, '9007199254740992', false],
    // Not a safe integer: two different numbers would look the same.
    [2 ** 53, '9007199254740993', false],
  ]
  for (const [value, received, fine] of table) {
    assert.equal(checked({ a: { count: value } }, count, received) === 'fine', fine, `${value} ${received}`)
  }
})

test('a value of another type must still not be contradicted by its header', () => {
  assert.equal(checked({ region: 42 }, region, '42'), 'fine')
  assert.match(checked({ region: 42 }, region, '43'), /does not match/)
  assert.match(checked({ region: ['eu'] }, region, 'eu'), /does not match/)
  assert.equal(checked({ a: { count: 'x' } }, count, 'x'), 'fine')
  assert.match(checked({ a: { count: '42' } }, count, '42.0'), /does not match/)
})

test('messages never quote values', () => {
  for (const message of [
    checked({ region: 'secret1' }, region, 'secret2'),
    checked({ region: 'secret1' }, region, undefined),
    checked({}, region, 'secret2'),
    checked({ region: 'secret1' }, region, '=?base64?secret2?='),
  ]) {
    assert.match(message, /^Header mismatch: /)
    assert.doesNotMatch(message, /secret/)
  }
})

test('what is built is what the check accepts', () => {
  const string = fc.string({ unit: 'binary' })
  const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null | undefined> =>
    fc.option(fc.option(value, { nil: undefined }), { nil: null })
  const args = fc.record({
    region: maybe(string),
    a: fc.record({ count: maybe(fc.maxSafeInteger()) }),
    on: maybe(fc.boolean()),
  })
  fc.assert(
    fc.property(args, (value) => {
      const built = new Map(Object.entries(buildParamHeaders(value, all)))
      assert.equal(
        checkParamHeaders(value, all, (name) => built.get(name)),
        undefined,
      )
      for (const name of built.keys()) {
        assert.match(
          checkParamHeaders(value, all, (asked) => (asked === name ? undefined : built.get(asked))) ?? '',
          /is missing/,
        )
      }
    }),
    { numRuns: 150 },
  )
})
