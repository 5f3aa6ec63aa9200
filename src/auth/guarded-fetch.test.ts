import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, describe, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { testCertificate } from '../../test/support/certificate.ts'
import { type Resolve, createGuardedFetch } from './guarded-fetch.ts'

const LOOPBACK = { address: '127.0.0.1', family: 4 }
const PUBLIC = { address: '93.184.215.14', family: 4 }

/** A server of issuer.test on loopback, and a fetch for which loopback is the public internet. */
async function setUp(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ readonly get: (url: string, init?: RequestInit) => Promise<Response>; readonly port: number }> {
  const before = getCACertificates('default')
  setDefaultCACertificates([...before, testCertificate.cert])
  t.after(() => setDefaultCACertificates(before))
  const server = createServer(testCertificate, answer)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const guarded = createGuardedFetch({
    resolve: async () => [LOOPBACK],
    isAllowed: (address) => address === '127.0.0.1',
  })
  t.after(async () => {
    server.closeAllConnections()
    await Promise.all([guarded.close(), new Promise((resolve) => void server.close(resolve))])
  })
  return { get: guarded.fetch, port: (server.address() as AddressInfo).port }
}

/** Why a fetch was refused: the messages of its error and their causes. */
async function refusal(promise: Promise<Response>): Promise<string> {
  const error = await promise.then(
    () => assert.fail('it was not refused'),
    (reason: unknown) => reason,
  )
  const messages: string[] = []
  for (let each = error; each instanceof Error; each = each.cause) messages.push(each.message)
  return messages.join(': ')
}

describe('a guarded fetch', () => {
  test('gets what is on the public internet, with what its caller sends and nothing else', async (t) => {
    const { get, port } = await setUp(t, (request, response) => {
      response.setHeader('set-cookie', 'a=b')
      response.end(JSON.stringify(request.headers))
    })
    const init = { method: 'POST', headers: { authorization: 'Basic eDp5' }, body: 'token=t' }
    for (const _ of [1, 2]) {
      const answer = await get(`https://issuer.test:${port}/introspect`, init)
      const headers = (await answer.json()) as Record<string, string>
      assert.deepEqual(
        [headers['authorization'], headers['content-length'], headers['cookie'], headers['host']],
        ['Basic eDp5', '7', undefined, `issuer.test:${port}`],
      )
    }
  })

  test('goes nowhere but to https, and takes no credentials out of URLs', async (t) => {
    const { fetch, close } = createGuardedFetch({ resolve: () => assert.fail('nothing is to be looked up') })
    t.after(close)
    const refused = {
      'http://issuer.test/jwks': /not https/,
      'http://127.0.0.1/jwks': /not https/,
      'file:///etc/passwd': /not https/,
      'data:application/json,{}': /not https/,
      'https://user:pass@issuer.test/': /holds credentials/,
      'jwks.json': /no URL/,
    }
    for (const [url, why] of Object.entries(refused)) assert.match(await refusal(fetch(url)), why)
  })

  test('goes to no address that is not public, however it is written', async (t) => {
    const { fetch, close } = createGuardedFetch({ resolve: () => assert.fail('nothing is to be looked up') })
    t.after(close)
    for (const host of [
      '127.0.0.1',
      '127.1',
      '2130706433',
      '0x7f.0.0.1',
      '0177.0.0.1',
      '0',
      '169.254.169.254',
      '10.0.0.1',
      '[::1]',
      '[::]',
      '[::ffff:127.0.0.1]',
      '[64:ff9b::7f00:1]',
      '[fd00::1]',
      '127.0.0.1.',
      '１２７.0.0.1',
    ]) {
      assert.match(await refusal(fetch(`https://${host}/`)), /address is not public/, host)
    }
  })

  test('goes to no name that has an address that is not public, even among others', async (t) => {
    const answers: Readonly<Record<string, Awaited<ReturnType<Resolve>>>> = {
      localhost: [LOOPBACK],
      'inside.test': [{ address: '192.168.0.7', family: 4 }],
      'mixed.test': [PUBLIC, LOOPBACK],
      'mapped.test': [{ address: '::ffff:10.0.0.1', family: 6 }],
      'empty.test': [],
    }
    const { fetch, close } = createGuardedFetch({ resolve: async (host) => answers[host] ?? [] })
    t.after(close)
    for (const host of Object.keys(answers)) {
      assert.match(await refusal(fetch(`https://${host}/`)), /has an address that is not public/, host)
    }
  })

  test('connects to the address that was checked: a name is looked up once', async (t) => {
    const { port } = await setUp(t, (_, response) => response.end('reached'))
    let asked = 0
    const rebound = createGuardedFetch({
      // First a good answer, then a bad one: whoever asks twice is led astray.
      resolve: async () => (++asked === 1 ? [LOOPBACK] : [{ address: '127.0.0.2', family: 4 }]),
      isAllowed: (address) => address === '127.0.0.1',
    })
    t.after(rebound.close)
    const answer = await rebound.fetch(`https://issuer.test:${port}/`)
    assert.equal(await answer.text(), 'reached')
    assert.equal(asked, 1)
  })

  test('follows no redirect', async (t) => {
    let hits = 0
    const { get, port } = await setUp(t, (request, response) => {
      hits++
      response.writeHead(request.url === '/end' ? 200 : 302, { location: '/end' }).end()
    })
    assert.match(await refusal(get(`https://issuer.test:${port}/`)), /redirect/)
    assert.equal(hits, 1)
    // Whoever asks for it does not get it either.
    assert.match(await refusal(get(`https://issuer.test:${port}/`, { redirect: 'follow' })), /redirect/)
  })

  test('takes no body beyond a megabyte', async (t) => {
    const size = { '/most': 1024 * 1024, '/more': 1024 * 1024 + 1 }
    const { get, port } = await setUp(t, ({ url }, response) => {
      // In chunks, so that nothing announces how much there will be.
      response.write('x')
      response.end(Buffer.alloc(size[url as keyof typeof size] - 1))
    })
    const most = await get(`https://issuer.test:${port}/most`)
    assert.equal((await most.arrayBuffer()).byteLength, 1024 * 1024)
    const answer = await get(`https://issuer.test:${port}/more`)
    await assert.rejects(answer.arrayBuffer())
  })

  test('wants a certificate for the name', async (t) => {
    const { get, port } = await setUp(t, (_, response) => response.end())
    assert.match(await refusal(get(`https://elsewhere.test:${port}/`)), /altnames/)
  })

  test('ends when its caller gives up', async (t) => {
    const { get, port } = await setUp(t, () => undefined)
    const controller = new AbortController()
    const pending = get(`https://issuer.test:${port}/`, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await assert.rejects(pending, /enough/)
  })
})
