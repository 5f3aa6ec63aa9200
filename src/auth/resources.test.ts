import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Route } from '../pipeline/call.ts'
import { canonicalUri, createResources } from './resources.ts'

const AGGREGATE: Route = { kind: 'aggregate' }
const A: Route = { kind: 'backend', backend: 'a' }
const HERE = { host: undefined, port: 8080 }

describe('a gateway with a public URL', () => {
  const resources = createResources('https://Example.com/tools', () => ['a'])

  test('is known by that alone, whatever Host says', () => {
    for (const host of [undefined, 'elsewhere.example', 'localhost:8080', 'example.com']) {
      const at = { host, port: 8080 }
      assert.equal(resources.idOf(AGGREGATE, at), 'https://example.com/tools/mcp')
      assert.equal(resources.urlOf('/sse', at), 'https://example.com/tools/sse')
      assert.ok(!resources.includes(new Set([`http://${host}/mcp`]), AGGREGATE, at))
      assert.ok(resources.includes(new Set(['https://example.com/tools/mcp']), AGGREGATE, at))
    }
  })

  test('inserts the well-known path before its own (RFC 9728 §3.1)', () => {
    const url = 'https://example.com/.well-known/oauth-protected-resource/tools/mcp/a'
    assert.equal(resources.metadataUrlOf(A, HERE), url)
  })

  test('finds metadata with its prefix, and without where a proxy took that away', () => {
    const at = (path: string): Route | undefined =>
      resources.routeOf(`/.well-known/oauth-protected-resource${path}`)
    assert.deepEqual([at('/tools/mcp'), at('/mcp'), at('')], [AGGREGATE, AGGREGATE, AGGREGATE])
    assert.deepEqual([at('/tools/mcp/a'), at('/mcp/a')], [A, A])
    for (const path of ['/tools', '/mcp/b', '/tools/tools/mcp', '/', 'mcp', '/constructor'])
      assert.equal(at(path), undefined, path)
    assert.equal(resources.routeOf('/.well-known/openid-configuration'), undefined)
  })
})

describe('a gateway on loopback', () => {
  const resources = createResources(undefined, () => ['a'])

  test('answers in the spelling that it was asked in, if that is its own', () => {
    const idFor = (host: string | undefined): string => resources.idOf(A, { host, port: 8080 })
    assert.equal(idFor('localhost:8080'), 'http://localhost:8080/mcp/a')
    assert.equal(idFor('LOCALHOST:8080'), 'http://localhost:8080/mcp/a')
    assert.equal(idFor('[::1]:8080'), 'http://[::1]:8080/mcp/a')
    for (const host of ['localhost:9', 'elsewhere.example', undefined])
      assert.equal(idFor(host), 'http://127.0.0.1:8080/mcp/a')
  })

  test('is meant by any of its names with its own port, and by no other', () => {
    const means = (audience: string): boolean => resources.includes(new Set([audience]), AGGREGATE, HERE)
    assert.ok(means('http://localhost:8080/mcp'))
    assert.ok(means('http://[::1]:8080/mcp'))
    for (const other of [
      'http://localhost:8081/mcp',
      'https://localhost:8080/mcp',
      'http://localhost:8080/mcp/a',
    ])
      assert.ok(!means(other), other)
  })

  test('is meant by no audience of anybody else, whatever Host says', () => {
    fc.assert(
      fc.property(fc.webUrl(), fc.domain(), (url, host) => {
        const at = { host, port: 8080 }
        assert.ok(!resources.includes(new Set([canonicalUri(url)]), AGGREGATE, at))
        assert.ok(!resources.includes(new Set([`http://${host}/mcp`]), AGGREGATE, at))
      }),
    )
  })
})

test('canonical spelling changes case of scheme and host and the default port, and nothing else', () => {
  assert.equal(canonicalUri('HTTPS://Example.COM:443/Mcp'), 'https://example.com/Mcp')
  assert.equal(canonicalUri('https://example.com'), 'https://example.com')
  assert.equal(canonicalUri('https://example.com/'), 'https://example.com')
  assert.notEqual(canonicalUri('https://example.com/mcp'), canonicalUri('https://example.com/mcp/'))
  assert.equal(canonicalUri('mcp-gateway'), 'mcp-gateway')
  fc.assert(
    fc.property(fc.oneof(fc.webUrl({ withQueryParameters: true }), fc.string()), (text) => {
      assert.equal(canonicalUri(canonicalUri(text)), canonicalUri(text))
    }),
  )
})
