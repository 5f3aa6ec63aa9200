import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pathSegment } from './path-segment.ts'

test('a name is one segment of a path, whatever is in it', () => {
  const encoded = {
    create_ticket: 'create_ticket',
    'v1.2-~x': 'v1.2-~x',
    'a/b': 'a%2Fb',
    'a\\b': 'a%5Cb',
    '50%': '50%25',
    '%2e%2e': '%252e%252e',
    'a?b#c': 'a%3Fb%23c',
    'a b': 'a%20b',
    'a;b=1': 'a%3Bb%3D1',
    "it's (new)!*": 'it%27s%20%28new%29%21%2A',
    häuser: 'h%C3%A4user',
    '...': '...',
    'a..b': 'a..b',
    '.hidden': '.hidden',
  }
  for (const [name, segment] of Object.entries(encoded)) {
    assert.equal(pathSegment(name), segment)
    const url = new URL(`/tools/${segment}`, 'http://a')
    assert.deepEqual(url.pathname.split('/').slice(1).map(decodeURIComponent), ['tools', name])
  }
})

test('a name that no encoding makes safe is none', () => {
  const unsafe = [
    '',
    '.',
    '..',
    '../x',
    'x/..',
    'a/../b',
    'a\\..\\b',
    './a',
    'a/.',
    'a\0b',
    'a\nb',
    'a\u202eb',
  ]
  for (const name of [...unsafe, 'a\u200bb', 'a\ud800', 'x'.repeat(257)])
    assert.equal(pathSegment(name), undefined, JSON.stringify(name.slice(0, 20)))
})
