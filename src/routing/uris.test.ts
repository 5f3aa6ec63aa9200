import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type OwnUri, type UriClaims, createUriSpace } from './uris.ts'

const of = (backend: string, ...uris: string[]): readonly OwnUri[] => uris.map((uri) => ({ backend, uri }))

const space = (claims: Partial<UriClaims>): ReturnType<typeof createUriSpace> =>
  createUriSpace({ backends: ['a', 'b', 'c'], uris: [], templates: [], ...claims })

describe('URIs that only one backend has', () => {
  const alone = space({
    uris: [...of('a', 'x:1'), ...of('b', 'x:2')],
    templates: [...of('a', 'x:a/{id}'), ...of('b', 'x:{+any}')],
  })

  test('stay as they are, and nothing has to be rewritten', () => {
    assert.deepEqual(
      ['a', 'b', 'c'].map((backend) => alone.rewrites(backend)),
      [false, false, false],
    )
    assert.equal(alone.expose('b', 'x:1'), 'x:1')
    assert.equal(alone.exposeTemplate('b', 'x:{+any}'), 'x:{+any}')
  })

  test('lead to whoever lists them, then to the most specific template', () => {
    assert.deepEqual(alone.resolve('x:2'), { backend: 'b', uri: 'x:2' })
    assert.deepEqual(alone.resolve('x:a/7'), { backend: 'a', uri: 'x:a/7' })
    assert.deepEqual(alone.resolve('x:other'), { backend: 'b', uri: 'x:other' })
    assert.equal(alone.resolve('y:other'), undefined)
    assert.equal(alone.resolve(`x:${'y'.repeat(3000)}`), undefined)
  })
})

describe('a URI that two backends have', () => {
  const shared = space({
    uris: [...of('a', 'x:1', 'x:only-a'), ...of('b', 'x:1', 'x:only-b', 'x:1'), ...of('c', 'x+b:1')],
    templates: [...of('a', 'f:///{p}', '{+any}'), ...of('b', 'f:///{p}')],
  })

  test('is kept by the first and qualified for the second, past what others list', () => {
    assert.equal(shared.expose('a', 'x:1'), 'x:1')
    assert.equal(shared.expose('b', 'x:1'), 'x+b+b:1')
    assert.deepEqual(shared.resolve('x:1'), { backend: 'a', uri: 'x:1' })
    assert.deepEqual(shared.resolve('x+b:1'), { backend: 'c', uri: 'x+b:1' })
    assert.deepEqual(shared.resolve('x+b+b:1'), { backend: 'b', uri: 'x:1' })
    assert.deepEqual(
      ['a', 'b', 'c'].map((backend) => shared.rewrites(backend)),
      [false, true, false],
    )
  })

  test('has templates that are told apart in the same way', () => {
    assert.equal(shared.exposeTemplate('a', 'f:///{p}'), 'f:///{p}')
    assert.equal(shared.exposeTemplate('b', 'f:///{p}'), 'f+b:///{p}')
    assert.deepEqual(shared.resolve('f:///1'), { backend: 'a', uri: 'f:///1' })
    assert.deepEqual(shared.resolve('f+b:///1'), { backend: 'b', uri: 'f:///1' })
  })

  test('makes the second qualify whatever else would lead elsewhere, and only that', () => {
    assert.equal(shared.expose('b', 'x:only-b'), 'x:only-b')
    assert.equal(shared.expose('b', 'x:only-a'), 'x+b:only-a')
    assert.equal(shared.expose('b', 'f:///1'), 'f+b:///1')
    // The first takes anything by template, but not what was qualified.
    assert.equal(shared.expose('b', 'y:1'), 'y+b:1')
    assert.deepEqual(shared.resolve('y+b:1'), { backend: 'b', uri: 'y:1' })
    assert.equal(shared.expose('a', 'x:only-b'), 'x:only-b')
  })
})

test('a template that is qualified twice is undone twice', () => {
  const twice = space({ templates: [...of('a', 'f:{p}'), ...of('b', 'f:{p}'), ...of('c', 'f+b:{p}')] })
  assert.equal(twice.exposeTemplate('b', 'f:{p}'), 'f+b+b:{p}')
  assert.deepEqual(twice.resolve('f+b+b:1'), { backend: 'b', uri: 'f:1' })
  assert.deepEqual(twice.resolve('f+b:1'), { backend: 'c', uri: 'f+b:1' })
})

test('a qualified form is known when nothing collides any more', () => {
  assert.deepEqual(space({}).unqualified('x+b:1'), [{ backend: 'b', uri: 'x:1' }])
  assert.deepEqual(space({}).unqualified('x:1'), [])
})
