import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { except, ECHO } from './support/backend.ts'
import { assertRefused, world } from './support/cases.ts'
import { answerOf, modernCall } from './support/gateway.ts'
import { type RawResponse, messagesOf, openWire, requestBytes, roundTrip } from './support/wire.ts'

describe('slow clients', { concurrency: true }, () => {
  const { port, serves } = world({ limits: { bodyTimeout: '150ms' } })

  test('a body that does not end in time is refused, and the connection ends', async () => {
    const wire = await openWire(port())
    const bytes = requestBytes(modernCall('good_echo'))
    wire.write(bytes.subarray(0, -10))
    await serves()
    const response = await wire.response()
    assertRefused(response, {
      status: 408,
      rpc: -31008,
      code: 'BODY_TIMEOUT',
      headers: { connection: 'close' },
    })
    await wire.closed
    wire.close()
  })

  test('a body that trickles does not keep its connection', async () => {
    const wire = await openWire(port())
    wire.write(
      'POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n',
    )
    const trickle = setInterval(() => wire.write(' '), 10)
    assert.equal((await wire.response()).status, 408)
    await wire.closed
    clearInterval(trickle)
    wire.close()
    await serves()
  })

  test('a refused body that trickles does not keep its connection either', async () => {
    const wire = await openWire(port())
    wire.write(
      'POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: text/html\r\ncontent-length: 60000\r\n\r\n',
    )
    const trickle = setInterval(() => wire.write(' '), 10)
    assert.equal((await wire.response()).status, 415)
    await wire.closed
    clearInterval(trickle)
    wire.close()
    await serves()
  })

  test('headers that do not end in time are refused, and the connection ends', async () => {
    const wire = await openWire(port())
    wire.write('POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ')
    const trickle = setInterval(() => wire.write('a'), 500)
    await serves()
    const response = await wire.response()
    clearInterval(trickle)
    assert.equal(response.status, 408)
    await wire.closed
    wire.close()
    await serves()
  })
})

describe('clients that go away', () => {
  const { port, serves, backend, gateway } = world()

  test('in the middle of the headers', async () => {
    const wire = await openWire(port())
    wire.write('POST /mcp HTTP/1.1\r\nho')
    wire.socket.resetAndDestroy()
    await serves()
  })

  test('in the middle of the body, by closing and by resetting', async () => {
    for (const leave of ['destroy', 'resetAndDestroy', 'end'] as const) {
      const wire = await openWire(port())
      wire.write(requestBytes(modernCall('good_echo')).subarray(0, -5))
      wire.socket[leave]()
      await serves()
      wire.close()
    }
    assert.equal(gateway().gateway.meter.inFlight, 0)
  })

  for (const leave of ['destroy', 'resetAndDestroy', 'end'] as const) {
    test(`while the backend works (${leave}): the backend is told by the end of its connection`, async () => {
      const asked = Promise.withResolvers<void>()
      const told = Promise.withResolvers<void>()
      const slow = except(
        'tools/call',
        (received, reply) => {
          if (received.body.includes('somebody else')) return reply.json(served(received.id))
          reply.socket.on('close', () => told.resolve())
          asked.resolve()
        },
        { era: 'modern', tools: ECHO },
      )
      backend().behave(slow)
      const wire = await openWire(port())
      wire.write(requestBytes(modernCall('good_echo')))
      await asked.promise
      wire.socket[leave]()
      await Promise.all([told.promise, serves()])
      wire.close()
      await eventually(() => gateway().gateway.meter.inFlight === 0)
    })
  }

  test('in the middle of an event stream', async () => {
    const told = Promise.withResolvers<void>()
    backend().behave(
      except(
        'tools/call',
        (received, reply) => {
          if (received.body.includes('somebody else')) return reply.json(served(received.id))
          reply.socket.on('close', () => told.resolve())
          reply.events(
            '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"first"}}',
          )
        },
        { era: 'modern', tools: ECHO },
      ),
    )
    const wire = await openWire(port())
    wire.write(requestBytes(modernCall('good_echo')))
    while (!wire.rest().includes('first')) await once(wire.socket, 'data')
    wire.close()
    await Promise.all([told.promise, serves()])
  })
})

/** A result under this id. */
const served = (id: string): string =>
  `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","content":[{"type":"text","text":"served"}]}}`

/** Looks again at every turn of the loop until it is so. */
async function eventually(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}

describe('connections that are used oddly', () => {
  const { port, serves, calls } = world()

  test('requests sent before their answers are answered in order', async () => {
    const wire = await openWire(port())
    const ids = [1, 2, 3, 4, 5].map(String)
    wire.write(
      Buffer.concat(ids.map((id) => requestBytes(modernCall(id === '3' ? 'nobody' : 'good_echo', { id })))),
    )
    for (const id of ids) {
      const answer = await wire.response()
      assert.equal(answer.status, id === '3' ? 400 : 200)
      assert.match(messagesOf(answer)[0] ?? '', new RegExp(`"id":${id},`))
    }
    wire.close()
  })

  test('a request after a refused one on the same connection', async () => {
    const wire = await openWire(port())
    wire.write(requestBytes({ ...modernCall('good_echo'), body: '{' }))
    assert.equal((await wire.response()).status, 400)
    wire.write(requestBytes(modernCall('good_echo')))
    assert.equal((await wire.response()).status, 200)
    wire.close()
  })

  const { body = '', headers } = modernCall('good_echo')
  const smuggled = requestBytes(modernCall('good_echo', { args: '{"smuggled":true}' })).toString()
  const attempts: readonly { readonly title: string; readonly bytes: string | Uint8Array }[] = [
    {
      title: 'Content-Length and Transfer-Encoding',
      bytes: requestBytes({
        headers: { ...headers, 'transfer-encoding': 'chunked' },
        body: `0\r\n\r\n${smuggled}`,
      }),
    },
    {
      title: 'two Content-Lengths',
      bytes: requestBytes({ headers: { ...headers, 'content-length': ['5', String(body.length)] }, body }),
    },
    {
      title: 'a Transfer-Encoding that only looks like chunked',
      bytes: requestBytes({
        headers: { ...headers, 'content-length': undefined, 'transfer-encoding': 'xchunked' },
        body: smuggled,
      }),
    },
    {
      title: 'chunked and not last',
      bytes: requestBytes({
        headers: { ...headers, 'content-length': undefined, 'transfer-encoding': 'chunked, identity' },
        body: `0\r\n\r\n${smuggled}`,
      }),
    },
    {
      title: 'a signed Content-Length',
      bytes: requestBytes({ headers: { ...headers, 'content-length': `+${body.length}` }, body }),
    },
    {
      title: 'a header name before a space',
      bytes: `POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length : 5\r\n\r\n${smuggled}`,
    },
    {
      title: 'a folded header',
      bytes: `POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: b\r\n c\r\n\r\n${smuggled}`,
    },
    {
      title: 'a bare LF between headers',
      bytes: `POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\ncontent-length: 5\r\n\r\n${smuggled}`,
    },
    {
      title: 'a bare CR in a header',
      bytes: `POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: b\rc\r\n\r\n${smuggled}`,
    },
    {
      title: 'a NUL in a header',
      bytes: `POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: b\0c\r\n\r\n${smuggled}`,
    },
    {
      title: 'a chunk size that is none',
      bytes: requestBytes({
        headers: { ...headers, 'content-length': undefined, 'transfer-encoding': 'chunked' },
        body: `5;\nx\r\nabcde\r\n0\r\n\r\n${smuggled}`,
      }),
    },
    { title: 'no Host', bytes: requestBytes({ headers: { ...headers, host: undefined }, body }) },
    { title: 'no HTTP at all', bytes: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n\n' },
    {
      title: 'TLS',
      bytes: Uint8Array.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
    },
  ]
  for (const { title, bytes } of attempts) {
    test(`${title} is refused with the end of the connection`, async () => {
      calls()
      const wire = await openWire(port())
      wire.write(bytes)
      const [refused] = await Promise.all([wire.response(), serves()])
      assert.equal(refused.status, 400)
      await wire.closed
      assert.equal(wire.rest(), '', 'nothing behind it is answered')
      assert.deepEqual(calls(), [])
      wire.close()
    })
  }

  test('headers that are too large', async () => {
    const wire = await openWire(port())
    wire.write(
      requestBytes({ ...modernCall('good_echo'), headers: { ...headers, 'x-large': 'a'.repeat(40_000) } }),
    )
    const [refused] = await Promise.all([wire.response(), serves()])
    assert.equal(refused.status, 431)
    await wire.closed
    wire.close()
  })

  test('headers as many as there may be, and one more', async () => {
    const call = modernCall('good_echo')
    const withSome = (count: number): Promise<RawResponse> => {
      const more = Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, '']))
      return roundTrip(port(), { ...call, headers: { ...more, ...call.headers, ...headers } })
    }
    assert.equal((await withSome(180)).status, 200)
    // What is behind the last one that is read must not be lost in silence.
    for (const count of [200, 201, 2500]) {
      const [refused] = await Promise.all([withSome(count), serves()])
      assert.equal(refused.status, 431)
      if (count < 400) assert.equal(answerOf(refused).error?.data?.['code'], 'TOO_MANY_HEADERS')
    }
  })

  test('a URL that is too long', async () => {
    const call = { ...modernCall('good_echo'), headers: { ...modernCall('good_echo').headers, ...headers } }
    const longest = `/mcp?${'x'.repeat(8192 - 5)}`
    assert.equal((await roundTrip(port(), { ...call, path: longest })).status, 200)
    const refused = await roundTrip(port(), { ...call, path: `${longest}x` })
    assert.equal(refused.status, 414)
    assert.equal(answerOf(refused).error?.data?.['code'], 'URL_TOO_LONG')
  })

  test('an expectation that nobody can meet', async () => {
    const response = await roundTrip(port(), {
      ...modernCall('good_echo'),
      headers: { ...headers, expect: 'miracles' },
    })
    assert.equal(response.status, 417)
  })

  test('an upgrade is not made', async () => {
    const call = modernCall('good_echo')
    const response = await roundTrip(port(), {
      ...call,
      headers: { ...headers, connection: 'upgrade', upgrade: 'websocket' },
    })
    assert.equal(response.status, 200)
  })
})
