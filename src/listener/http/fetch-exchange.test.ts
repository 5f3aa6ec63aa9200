import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FetchRequest, FetchResponse } from './fetch-exchange.ts'

const requestOf = (init: RequestInit = {}): FetchRequest =>
  new FetchRequest(new Request('http://example.com:81/mcp/a?b=c', init), '192.0.2.1')

/** What `close` and `drain` are told to. */
function watched(response: FetchResponse): readonly string[] {
  const told: string[] = []
  for (const event of ['close', 'drain'] as const) response.on(event, () => told.push(event))
  return told
}

const turn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a request', () => {
  test('is read as one of Node is', async () => {
    const request = requestOf({ method: 'POST', headers: { 'X-One': '1', Accept: 'a' }, body: 'text' })
    assert.equal(request.url, '/mcp/a?b=c')
    assert.equal(request.method, 'POST')
    assert.equal(request.headers['x-one'], '1')
    assert.equal(request.headers.host, 'example.com:81')
    assert.deepEqual(request.rawHeaders.slice(0, 2), ['accept', 'a'])
    assert.deepEqual(request.socket, { remoteAddress: '192.0.2.1', localPort: 81 })
    assert.equal(request.complete, false)
    const chunks: Buffer[] = []
    const ended = Promise.withResolvers<void>()
    request.on('data', (chunk) => chunks.push(chunk)).on('end', () => ended.resolve())
    await ended.promise
    assert.equal(Buffer.concat(chunks).toString(), 'text')
    assert.equal(request.complete, true)
  })

  test('has the Host that was sent, where it is known', () => {
    const headers = { host: 'evil.example' }
    assert.equal(
      new FetchRequest(new Request('http://localhost/', { headers }), undefined).headers.host,
      'evil.example',
    )
  })

  test('ends where its body breaks off', async () => {
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error('gone')) })
    const request = requestOf({ method: 'POST', body, duplex: 'half' })
    const closed = Promise.withResolvers<void>()
    request.on('data', () => undefined).on('close', () => closed.resolve())
    await closed.promise
    assert.equal(request.complete, false)
  })
})

describe('a response', () => {
  test('that is written in one piece has its body, status and headers', async () => {
    const response = new FetchResponse(requestOf())
    const told = watched(response)
    response.setHeader('vary', 'Origin')
    response.setHeader('Connection', 'close')
    response.writeHead(404, ['content-type', 'text/plain']).end('no')
    const written = await response.response
    assert.deepEqual([written.status, await written.text()], [404, 'no'])
    assert.deepEqual(
      [...written.headers],
      [
        ['content-type', 'text/plain'],
        ['vary', 'Origin'],
      ],
    )
    assert.equal(response.writableFinished, true)
    assert.deepEqual(told, ['close'])
  })

  test('without a body has none', async () => {
    for (const status of [202, 204]) {
      const response = new FetchResponse(requestOf())
      response.writeHead(status, { allow: 'GET' }).end()
      assert.equal((await response.response).body, null)
    }
  })

  test('that is written bit by bit is there before its end, and holds back what is not read', async () => {
    const response = new FetchResponse(requestOf())
    const told = watched(response)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    const { body } = await response.response
    const stream: ReadableStream<Uint8Array> = body ?? new ReadableStream()
    const reader = stream.getReader()
    const line = 'x'.repeat(16_384)
    assert.deepEqual(
      [1, 2, 3, 4].map(() => response.write(line)),
      [true, true, true, false],
    )
    await turn()
    assert.deepEqual(told, [])
    const first = await reader.read()
    assert.equal(first.value?.byteLength, line.length)
    await turn()
    assert.deepEqual(told, ['drain'])
    response.end('last')
    let size = line.length
    for (let next = await reader.read(); !next.done; next = await reader.read()) size += next.value.byteLength
    assert.equal(size, 4 * line.length + 4)
    assert.deepEqual(told, ['drain', 'close'])
    assert.equal(response.write('more'), false)
  })

  test('that nobody reads any more is one whose connection is lost', async () => {
    const response = new FetchResponse(requestOf())
    const told = watched(response)
    response.write('a')
    await (await response.response).body?.cancel()
    assert.deepEqual(told, ['close'])
    assert.deepEqual([response.destroyed, response.writableFinished], [true, false])
    assert.equal(response.write('b'), false)
  })

  test('that is broken off fails whoever reads it, or says that nobody is there', async () => {
    const streamed = new FetchResponse(requestOf())
    streamed.write('a')
    streamed.destroy()
    await assert.rejects((await streamed.response).text(), /broken off/)
    const unwritten = new FetchResponse(requestOf())
    unwritten.destroy()
    assert.equal((await unwritten.response).status, 499)
    unwritten.end('too late')
  })
})
