// Merged lists: complete, in one order, honest about backends that are away.
import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import { GENERATIONS } from './language/client.ts'
import { type House, gateway } from './language/house.ts'
import { legacyServer, modernServer, v1Server } from './language/http-backend.ts'
import type { RawAnswer, RawOptions } from './language/raw.ts'
import { type Configured, type Scope, fileScope } from './language/scope.ts'
import type { ToolScript } from './language/stage.ts'
import { stdioServer } from './language/stdio-backend.ts'

const tool = (name: string): ToolScript => ({ name, does: 'echo' })
const series = (count: number): readonly ToolScript[] =>
  Array.from({ length: count }, (_, index) => tool(`tool-${(index * 7) % count}`))

const namesOf = ({ response }: RawAnswer): readonly string[] =>
  (response.result?.tools ?? []).map(({ name }) => name)
const listed = async (house: House, options?: RawOptions): Promise<readonly string[]> =>
  namesOf(await house.raw.modern('tools/list', {}, options))

/** Eight backends with 34 tools each, of every era and transport, some of which list in pages. */
const eight = async (scope: Scope): Promise<Readonly<Record<string, Configured>>> => {
  const tools = series(34)
  return {
    zebra: await modernServer(scope, { label: 'zebra', tools, pageSize: 10 }),
    'old-pages': await legacyServer(scope, { label: 'old-pages', tools, pageSize: 7 }),
    first: await v1Server(scope, { label: 'first', tools, pageSize: 33 }),
    'pipe-modern': await stdioServer(scope, 'modern', { label: 'pipe-modern', tools, pageSize: 1 }),
    'pipe-legacy': await stdioServer(scope, 'legacy', { label: 'pipe-legacy', tools, pageSize: 34 }),
    'pipe-first': await stdioServer(scope, 'v1', { label: 'pipe-first', tools }),
    alpha: await modernServer(scope, { label: 'alpha', tools }),
    'old-whole': await legacyServer(scope, { label: 'old-whole', tools }),
  }
}

suite('272 tools of eight backends', () => {
  const scope = fileScope()
  let backends: Readonly<Record<string, Configured>>
  let whole: House
  let paged: House
  let expected: readonly string[]

  before(async () => {
    backends = await eight(scope)
    expected = Object.keys(backends).flatMap((name) => series(34).map((one) => `${name}_${one.name}`))
    whole = await gateway({ backends })
    scope.after(async () => whole.close())
    paged = await gateway({ backends, gateway: { pageSize: 50 } })
    scope.after(async () => paged.close())
  })

  test('are listed once each on one page, in the order of the configuration and of each backend', async () => {
    assert.equal(expected.length, 272)
    const answer = await whole.raw.modern('tools/list')
    assert.deepEqual(namesOf(answer), expected)
    assert.equal(answer.response.result?.nextCursor, undefined)
    assert.deepEqual(await listed(whole), expected)
  })

  for (const generation of GENERATIONS) {
    test(`are all seen by a ${generation} client, on one page or on six`, async () => {
      for (const house of [whole, paged]) {
        await using client = await house.client(generation)
        assert.deepEqual(
          (await client.tools()).map(({ name }) => name),
          expected,
        )
      }
    })
  }

  test('come in pages of the configured size', async () => {
    const sizes: number[] = []
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const answer = await paged.raw.modern('tools/list', cursor === undefined ? {} : { cursor })
      sizes.push(namesOf(answer).length)
      seen.push(...namesOf(answer))
      cursor = answer.response.result?.nextCursor
    } while (cursor !== undefined)
    assert.deepEqual(sizes, [50, 50, 50, 50, 50, 22])
    assert.deepEqual(seen, expected)
  })

  test('a cursor that was not given for this list is refused', async () => {
    const first = await paged.raw.modern('tools/list')
    const cursor = first.response.result?.nextCursor ?? ''
    assert.notEqual(cursor, '')
    // The last character of base64 may carry bits that mean nothing: one in the middle is changed.
    const middle = Math.floor(cursor.length / 2)
    const tampered = cursor.slice(0, middle) + (cursor[middle] === 'A' ? 'B' : 'A') + cursor.slice(middle + 1)
    await using other = await gateway({ backends, gateway: { pageSize: 50 } })
    const foreign = (await other.raw.modern('tools/list')).response.result?.nextCursor
    assert.notEqual(foreign, undefined)
    const cases: readonly [string, string, unknown, RawOptions][] = [
      ['made up', 'tools/list', '50', {}],
      ['empty', 'tools/list', '', {}],
      ['no string', 'tools/list', 50, {}],
      ['tampered with', 'tools/list', tampered, {}],
      ['of another gateway', 'tools/list', foreign, {}],
      ['of another route', 'tools/list', cursor, { route: 'zebra' }],
      ['of another method', 'prompts/list', cursor, {}],
    ]
    for (const [what, method, bad, options] of cases) {
      const { response } = await paged.raw.modern(method, { cursor: bad }, options)
      assert.equal(response.error?.code, -32602, what)
      assert.equal(response.error?.data?.['code'], 'INVALID_PARAMS', what)
    }
    assert.equal(namesOf(await paged.raw.modern('tools/list', { cursor }))[0], expected[50])
  })
})

test('a cursor belongs to its route, even where both routes list the same', async (t) => {
  const only = await modernServer(t, { tools: series(5) })
  await using house = await gateway({ backends: { only }, gateway: { pageSize: 2, names: 'bare' } })
  const all = await house.raw.modern('tools/list')
  const one = await house.raw.modern('tools/list', {}, { route: 'only' })
  assert.deepEqual(all.response.result?.tools, one.response.result?.tools)
  const cursor = all.response.result?.nextCursor
  assert.equal((await house.raw.modern('tools/list', { cursor })).response.error, undefined)
  const crossed = await house.raw.modern('tools/list', { cursor }, { route: 'only' })
  assert.equal(crossed.response.error?.code, -32602)
})

test('a cursor ends with the list that it was given for', async (t) => {
  const modern = await modernServer(t, { tools: series(5) })
  await using house = await gateway({ backends: { modern }, gateway: { pageSize: 2 } })
  const { response } = await house.raw.modern('tools/list')
  const cursor = response.result?.nextCursor
  assert.equal((await house.raw.modern('tools/list', { cursor })).response.error, undefined)
  await modern.setTools([...series(5), tool('new')])
  const late = await house.raw.modern('tools/list', { cursor })
  assert.equal(late.response.error?.code, -32602)
  assert.match(late.response.error?.message ?? '', /list changed/)
})

suite('names', () => {
  const twins = async (t: Scope): Promise<Readonly<Record<string, Configured>>> => ({
    a: await modernServer(t, { label: 'a', tools: [tool('same'), tool('only-a'), tool('b_c')] }),
    a_b: await legacyServer(t, { label: 'a_b', tools: [tool('same'), tool('c'), tool('only-b')] }),
  })
  const answeredBy = async (house: House, name: string): Promise<string> => {
    const { response } = await house.raw.modern('tools/call', { name, arguments: {} })
    return JSON.stringify(response.result ?? response.error)
  }

  test('prefix: every name has its backend in front, and two that meet are told apart', async (t) => {
    await using house = await gateway({ backends: await twins(t) })
    const names = await listed(house)
    assert.deepEqual(
      names.map((name) => name.replace(/_[0-9a-f]{8}$/, '_DIGEST')),
      ['a_same', 'a_only-a', 'a_b_c', 'a_b_same', 'a_b_c_DIGEST', 'a_b_only-b'],
    )
    assert.match(await answeredBy(house, 'a_b_c'), /"a: /)
    assert.match(await answeredBy(house, names[4] ?? ''), /"a_b: /)
    assert.deepEqual(await listed(house), names)
  })

  test('conflict: only names that several backends have', async (t) => {
    await using house = await gateway({ backends: await twins(t), gateway: { names: 'conflict' } })
    assert.deepEqual(await listed(house), ['a_same', 'only-a', 'b_c', 'a_b_same', 'c', 'only-b'])
    assert.match(await answeredBy(house, 'a_b_same'), /"a_b: /)
    assert.match(await answeredBy(house, 'only-a'), /"a: /)
    assert.match(await answeredBy(house, 'same'), /Unknown tool: same/)
  })

  test('bare: never, and the first backend keeps the name', async (t) => {
    await using house = await gateway({ backends: await twins(t), gateway: { names: 'bare' } })
    assert.deepEqual(await listed(house), ['same', 'only-a', 'b_c', 'c', 'only-b'])
    assert.match(await answeredBy(house, 'same'), /"a: /)
    assert.deepEqual(await listed(house, { route: 'a_b' }), ['same', 'c', 'only-b'])
  })

  test('longer than 64 characters are shortened for good, and the full name is kept', async (t) => {
    const long = ['one', 'two'].map((end) => tool(`${'x'.repeat(70)}-${end}`))
    const modern = await modernServer(t, { tools: long })
    await using house = await gateway({ backends: { modern } })
    const { response } = await house.raw.modern('tools/list')
    const tools = response.result?.tools ?? []
    assert.equal(new Set(tools.map(({ name }) => name)).size, 2)
    for (const [index, { name, title, _meta }] of tools.entries()) {
      const full = `modern_${long[index]?.name}`
      assert.ok(name.length <= 64, name)
      assert.equal(title, full)
      assert.deepEqual(_meta, { 'io.toolgate/fullName': full })
      assert.match(await answeredBy(house, name), /"modern: /)
    }
    assert.deepEqual(
      modern.journal.entries.flatMap((entry) => (entry.kind === 'call' ? [entry.tool] : [])),
      long.map(({ name }) => name),
    )
    await using again = await gateway({ backends: { modern } })
    assert.deepEqual(
      await listed(again),
      tools.map(({ name }) => name),
      'the same in the next gateway',
    )
    assert.deepEqual(
      await listed(house, { route: 'modern' }),
      long.map(({ name }) => name),
    )
  })
})

test('a tool with invalid header annotations is left out with a warning, the others stay and work', async (t) => {
  const region = { type: 'string', 'x-mcp-header': 'Region' }
  const modern = await modernServer(t, {
    tools: [
      tool('plain'),
      { ...tool('spaced'), properties: { region: { ...region, 'x-mcp-header': 'my region' } } },
      { ...tool('twice'), properties: { a: region, b: { ...region, 'x-mcp-header': 'REGION' } } },
      { ...tool('fine'), properties: { region } },
    ],
  })
  await using house = await gateway({ backends: { modern } })
  assert.deepEqual(await listed(house), ['modern_plain', 'modern_fine'])
  const warnings = house.log.entries.filter(
    ({ level, message }) => level === 'warn' && message.includes('left out'),
  )
  const warned = new Set(warnings.map(({ fields }) => String(fields['problem']).split(':')[0]))
  assert.deepEqual(warned, new Set(['spaced', 'twice']))
  for (const generation of ['modern', 'v1'] as const) {
    await using client = await house.client(generation)
    await client.tools()
    const from = modern.journal.entries.length
    assert.equal((await client.call('modern_fine', { region: 'eu' })).isError, false)
    const request = await modern.journal.until(
      (entry) => entry.kind === 'request' && entry.method === 'tools/call',
      from,
    )
    // The backend checks that header and body agree, so the gateway writes it for clients that cannot.
    assert.equal(request.kind === 'request' ? request.headers['mcp-param-region'] : '', 'eu')
  }
})
