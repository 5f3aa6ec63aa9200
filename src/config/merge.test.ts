import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Layer, mergeLayers } from './merge.ts'
import { type ConfigPath, formatPath } from './problem.ts'
import { valueAt } from './tree.ts'

type Mapping = Readonly<Record<string, unknown>>

const layer = (value: Mapping, name = 'x'): Layer => ({
  value,
  environment: undefined,
  dir: `/${name}`,
  problems: [],
  locate: ({ path, message }) => ({ file: name, line: 1, column: 1, path: formatPath(path), message }),
})

const merged = (...values: readonly Mapping[]): unknown =>
  plain(mergeLayers(values.map((value) => layer(value))).value)

/** Without the missing prototypes, which make no difference here. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown

/** What JSON Merge Patch gives, as RFC 7396 §2 writes it down. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const isMapping = typeof target === 'object' && target !== null && !Array.isArray(target)
  const result = new Map<string, unknown>(isMapping ? Object.entries(target) : [])
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name)
    else result.set(name, mergePatch(result.get(name), value))
  }
  return Object.fromEntries(result)
}

/** Few names, so that layers meet; `__proto__` is one like any other. */
const names = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', 'toString')
const { tree } = fc.letrec<{ tree: unknown; mapping: Record<string, unknown> }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    fc.constant(null),
    fc.boolean(),
    fc.string(),
    fc.array(tie('tree'), { maxLength: 3 }),
    tie('mapping'),
  ),
  mapping: fc.dictionary(names, tie('tree'), { maxKeys: 4 }),
}))
const mapping = fc.dictionary(names, tree, { maxKeys: 4 })

describe('layers', () => {
  test('alone are what they are', () => {
    fc.assert(fc.property(mapping, (value) => assert.deepEqual(merged(value), plain(value))))
  })

  test('with nothing in them change nothing', () => {
    fc.assert(fc.property(mapping, (value) => assert.deepEqual(merged(value, {}), plain(value))))
  })

  test('laid over others are patches of them (RFC 7396)', () => {
    fc.assert(
      fc.property(mapping, mapping, mapping, (one, two, three) => {
        assert.deepEqual(merged(one, two, three), plain(mergePatch(mergePatch(one, two), three)))
      }),
    )
  })

  test('laid over themselves change nothing but what is empty', () => {
    fc.assert(
      fc.property(mapping, (value) =>
        assert.deepEqual(merged(value, value), plain(mergePatch(value, value))),
      ),
    )
  })

  test('replace lists and single values as a whole', () => {
    assert.deepEqual(merged({ a: { list: [1, 2, 3], one: 1 } }, { a: { list: [4] } }), {
      a: { list: [4], one: 1 },
    })
  })

  test('remove by null, and what was removed may come back', () => {
    assert.deepEqual(merged({ a: { b: 1, c: 2 } }, { a: { b: null } }), { a: { c: 2 } })
    assert.deepEqual(merged({ a: { b: 1 } }, { a: null }, { a: { c: 2 } }), { a: { c: 2 } })
  })

  test('never touch the prototype of anything', () => {
    const hostile = JSON.parse(
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
    ) as Mapping
    const { value } = mergeLayers([layer({}), layer(hostile), layer(hostile)])
    assert.equal(Object.getPrototypeOf(value), null)
    assert.ok(Object.hasOwn(value, '__proto__'))
    assert.ok(!('polluted' in {}))
  })
})

describe('backends', () => {
  const base = { backends: { a: { url: 'http://one', timeout: '5s' } } }

  test('take a URL alone for their url, and a URL alone takes settings', () => {
    const expected = { backends: { a: { url: 'http://two', timeout: '5s' } } }
    assert.deepEqual(merged(base, { backends: { a: 'http://two' } }), expected)
    assert.deepEqual(
      merged({ backends: { a: 'http://two' } }, { backends: { a: { timeout: '5s' } } }),
      expected,
    )
    assert.deepEqual(
      merged({ backends: { a: { timeout: '5s' } } }, { backends: { a: 'http://two' } }),
      expected,
    )
  })

  test('have a url or endpoints, whichever is said last', () => {
    const endpoints = [{ url: 'http://two' }]
    assert.deepEqual(merged(base, { backends: { a: { endpoints } } }), {
      backends: { a: { endpoints, timeout: '5s' } },
    })
    assert.deepEqual(merged({ backends: { a: { endpoints } } }, base), base)
    assert.deepEqual(merged({ backends: { a: { endpoints } } }, { backends: { a: 'http://x' } }), {
      backends: { a: { url: 'http://x' } },
    })
  })

  test('are replaced as a whole when they become processes or services, or were some', () => {
    const process = { backends: { a: { command: 'x', env: { A: 'b' } } } }
    const service = { backends: { a: { rest: { url: 'http://r' }, warm: 2 } } }
    assert.deepEqual(merged(process, service), service)
    for (const other of [process, service]) {
      assert.deepEqual(merged(base, other), other)
      assert.deepEqual(merged(other, base), base)
      assert.deepEqual(merged(other, { backends: { a: 'http://x' } }), { backends: { a: 'http://x' } })
    }
  })
})

describe('the writers of a value', () => {
  const layers = [
    layer(
      { backends: { a: 'http://one', b: { url: 'http://b', args: ['x'] } }, log: { level: 'info' } },
      'first',
    ),
    layer({ backends: { a: { timeout: '5s' } } }, 'second'),
    layer({ backends: { a: 'http://three', b: null }, log: { level: 'warn', none: null } }, 'third'),
  ]
  const tree = mergeLayers(layers)
  const writers = (...path: ConfigPath): readonly string[] =>
    tree.writersOf(path).map((origin) => `${origin.layer.dir}: ${formatPath(origin.path)}`)

  test('are known, the one that counts first', () => {
    assert.deepEqual(writers('log', 'level'), ['/third: log.level', '/first: log.level'])
    assert.deepEqual(writers('backends', 'a', 'url'), ['/third: backends.a', '/first: backends.a'])
    assert.deepEqual(writers('backends', 'a', 'timeout'), ['/second: backends.a.timeout'])
    assert.deepEqual(writers().at(-1), '/first: ')
  })

  test('of what is not there are those of what would hold it', () => {
    assert.deepEqual(writers('backends', 'a', 'headers', 'X'), ['/first: backends.a.headers.X'])
    assert.deepEqual(writers('gateway', 'name'), ['/first: gateway.name'])
  })

  test('of items are those of their list', () => {
    assert.deepEqual(mergeLayers(layers.slice(0, 1)).writersOf(['backends', 'b', 'args', 0])[0]?.path, [
      'backends',
      'b',
      'args',
      0,
    ])
  })

  test('include who removed something, and who tried to', () => {
    assert.deepEqual(
      tree.removals.map(({ path, origin, isVain }) => [formatPath(path), origin.layer.dir, isVain]),
      [
        ['backends.b', '/third', false],
        ['log.none', '/third', true],
      ],
    )
  })

  test('are there for every value', () => {
    fc.assert(
      fc.property(fc.array(mapping, { minLength: 1, maxLength: 3 }), (values) => {
        const found = mergeLayers(values.map((value) => layer(value)))
        const visit = (value: unknown, path: ConfigPath): void => {
          const [origin] = found.writersOf(path)
          assert.ok(origin !== undefined)
          if (typeof value !== 'object' || value === null)
            assert.deepEqual(valueAt(origin.layer.value, origin.path), value)
          else
            for (const [key, each] of Object.entries(value))
              visit(each, [...path, Array.isArray(value) ? Number(key) : key])
        }
        visit(found.value, [])
      }),
    )
  })
})
