import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { NamePolicy } from '../config/types.ts'
import type { ListKind } from '../protocol/methods.ts'
import { type Entry, readEntry } from './entry.ts'
import type { Quarantine } from './integrity/integrity.ts'
import { type OwnUri, createUriSpace } from './uris.ts'
import { type Exposure, type View, mergedView, ownView } from './view.ts'

function entry(backend: string, kind: ListKind, text: string): Entry {
  const read = readEntry(backend, kind, text)
  if ('invalid' in read) return assert.fail(read.invalid)
  return read
}

const exposure = (names: NamePolicy, entries: readonly Entry[] = []): Exposure => {
  const urisOf = (kind: ListKind): readonly OwnUri[] =>
    entries.flatMap((one) => (one.kind === kind ? [{ backend: one.backend, uri: one.key }] : []))
  const referred = entries.flatMap(({ backend, refersTo }) => refersTo.map((uri) => ({ backend, uri })))
  const uris = createUriSpace({
    backends: ['a', 'b', 'c'],
    uris: [...urisOf('resources'), ...referred],
    templates: urisOf('resourceTemplates'),
  })
  return { names, uris }
}

const tool = (backend: string, name: string, more = ''): Entry =>
  entry(backend, 'tools', `{"name":${JSON.stringify(name)},"inputSchema":{"type":"object"}${more}}`)

test('a renamed definition keeps every byte but its name', () => {
  const odd = ',"x":1.0e5,"y":"\\u00e9\\/","z":[-0,18446744073709551616]'
  const [shown] = mergedView('tools', [tool('a', 'x', odd)], exposure('prefix')).entries
  assert.equal(shown?.text, `{"name":"a_x","inputSchema":{"type":"object"}${odd}}`)
})

test('a shortened name keeps the full one in _meta, and in the title where there is none', () => {
  const name = 'n'.repeat(80)
  const full = `a_${name}`
  const read = (more: string): Record<string, unknown> =>
    JSON.parse(
      mergedView('tools', [tool('a', name, more)], exposure('prefix')).entries[0]?.text ?? '',
    ) as Record<string, unknown>
  const plain = read('')
  assert.equal(plain['title'], full)
  assert.deepEqual(plain['_meta'], { 'io.toolgate/fullName': full })
  const titled = read(',"title":"T","_meta":{"k":1}')
  assert.equal(titled['title'], 'T')
  assert.deepEqual(titled['_meta'], { 'io.toolgate/fullName': full, k: 1 })
})

test('the execution of old tasks is not shown', () => {
  const shown = ownView([tool('a', 'x', ',"execution":{"taskSupport":"optional"}')])
  assert.equal(shown.entries[0]?.text, '{"name":"x","inputSchema":{"type":"object"}}')
})

const resource = (backend: string, uri: string): Entry =>
  entry(backend, 'resources', `{"uri":${JSON.stringify(uri)},"name":"n","size":1.0}`)

test('a URI that two backends list is qualified for the second, and no other byte changes', () => {
  const entries = [resource('a', 'file:///1'), resource('b', 'file:///1'), resource('b', 'file:///2')]
  const view = mergedView('resources', entries, exposure('prefix', entries))
  assert.deepEqual(
    [...view.byName].map(([uri, { entry }]) => [uri, entry.backend, entry.key]),
    [
      ['file:///1', 'a', 'file:///1'],
      ['file+b:///1', 'b', 'file:///1'],
      ['file:///2', 'b', 'file:///2'],
    ],
  )
  assert.deepEqual(
    view.entries.map(({ text }) => text),
    ['file:///1', 'file+b:///1', 'file:///2'].map((uri) => `{"uri":"${uri}","name":"n","size":1.0}`),
  )
  assert.deepEqual(view.hidden, [])
})

test('a template that two backends list is qualified for the second', () => {
  const template = (backend: string): Entry =>
    entry(backend, 'resourceTemplates', '{"uriTemplate":"ui:\\/\\/{name}","name":"n"}')
  const entries = [template('a'), template('b')]
  assert.deepEqual(
    mergedView('resourceTemplates', entries, exposure('prefix', entries)).entries.map(({ text }) => text),
    ['{"uriTemplate":"ui:\\/\\/{name}","name":"n"}', '{"uriTemplate":"ui://b/{name}","name":"n"}'],
  )
})

test('a tool refers to its resource under the URI that clients see', () => {
  const shows = (backend: string, uri: string): Entry =>
    tool(
      backend,
      't',
      `,"_meta":{"ui":{"resourceUri":"${uri}","visibility":["app"]},"ui/resourceUri":"${uri}"}`,
    )
  const entries = [shows('a', 'ui://x'), shows('b', 'ui://x'), shows('c', 'ui://y')]
  assert.deepEqual(
    mergedView('tools', entries, exposure('prefix', entries)).entries.map(({ text }) => {
      const { _meta } = JSON.parse(text) as { readonly _meta: unknown }
      return _meta
    }),
    ['ui://x', 'ui://b/x', 'ui://y'].map((uri) => ({
      ui: { resourceUri: uri, visibility: ['app'] },
      'ui/resourceUri': uri,
    })),
  )
})

test('bare names that two want are hidden at the second, and said to be', () => {
  const view = mergedView('tools', [tool('a', 'x'), tool('b', 'x')], exposure('bare'))
  assert.deepEqual(view.hidden, [{ backend: 'b', key: 'x' }])
  assert.equal(view.byName.get('x')?.entry.backend, 'a')
})

test('the digest changes when, and only when, the listed bytes do', () => {
  const digest = (...entries: Entry[]): string => mergedView('tools', entries, exposure('prefix')).digest
  const base = digest(tool('a', 'x'), tool('a', 'y'))
  assert.equal(digest(tool('a', 'x'), tool('a', 'y')), base)
  assert.notEqual(digest(tool('a', 'y'), tool('a', 'x')), base)
  assert.notEqual(digest(tool('a', 'x')), base)
  assert.notEqual(digest(tool('a', 'x'), tool('a', 'y', ',"title":"T"')), base)
})

test('a definition that clients would refuse is no entry, whatever is wrong with it', () => {
  const bad: readonly (readonly [ListKind, string, RegExp])[] = [
    ['tools', '[]', /no object/],
    ['tools', '{"inputSchema":{"type":"object"}}', /has no name/],
    ['tools', '{"name":"","inputSchema":{"type":"object"}}', /has no name/],
    ['tools', `{"name":"${'n'.repeat(2049)}","inputSchema":{"type":"object"}}`, /more than 2048/],
    ['tools', '{"name":"n"}', /inputSchema must be of type object/],
    ['tools', '{"name":"n","inputSchema":{"type":"array"}}', /must have type "object"/],
    ['tools', '{"name":"n","inputSchema":{"type":"object"},"description":7}', /description/],
    ['tools', '{"name":"n","inputSchema":{"type":"object"},"_meta":[]}', /_meta/],
    ['prompts', '{"name":"n","arguments":{}}', /arguments/],
    ['resources', '{"uri":"u"}', /name must be/],
    ['resourceTemplates', '{"name":"n"}', /has no uriTemplate/],
  ]
  for (const [kind, text, reason] of bad) {
    const read = readEntry('a', kind, text)
    assert.ok('invalid' in read, text)
    assert.match(read.invalid, reason)
  }
})

describe('what is held back', () => {
  const held = (...keys: readonly string[]) => {
    return ({ backend, key }: Entry): Quarantine | undefined => {
      const found = keys.find((one) => one === `${backend}/${key}` || one === `${backend}/${key}!`)
      return found === undefined ? undefined : { reason: 'why', keepsName: found.endsWith('!') }
    }
  }
  const names = (view: View): readonly string[] => view.entries.map(({ exposed }) => exposed)
  const owner = (view: View, name: string): string | undefined => {
    const found = view.byName.get(name)
    return found && `${found.entry.backend}${found.quarantine === undefined ? '' : ' held'}`
  }
  const two = [tool('a', 'x'), tool('b', 'x'), tool('b', 'y')]

  test('is found by its name and not listed, on either route', () => {
    const own = ownView(two.slice(1), held('b/x'))
    assert.deepEqual([names(own), owner(own, 'x'), owner(own, 'y')], [['y'], 'b held', 'b'])
    const all = mergedView('tools', two, { ...exposure('prefix'), quarantineOf: held('b/x') })
    assert.deepEqual([names(all), owner(all, 'b_x')], [['a_x', 'b_y'], 'b held'])
    assert.notEqual(all.digest, mergedView('tools', two, exposure('prefix')).digest)
  })

  test('and was never approved does not change the names of others', () => {
    const conflict = mergedView('tools', two, { ...exposure('conflict'), quarantineOf: held('b/x') })
    assert.deepEqual([names(conflict), owner(conflict, 'b_x')], [['x', 'y'], 'b held'])
    const bare = mergedView('tools', two, { ...exposure('bare'), quarantineOf: held('a/x') })
    assert.deepEqual([names(bare), owner(bare, 'x')], [['x', 'y'], 'b'])
  })

  test('but was approved once keeps its name: no call of it reaches another backend', () => {
    const conflict = mergedView('tools', two, { ...exposure('conflict'), quarantineOf: held('b/x!') })
    assert.deepEqual([names(conflict), owner(conflict, 'b_x')], [['a_x', 'y'], 'b held'])
    const bare = mergedView('tools', two, { ...exposure('bare'), quarantineOf: held('a/x!') })
    assert.deepEqual([names(bare), owner(bare, 'x')], [['y'], 'a held'])
  })
})
