import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import {
  type Behaviour,
  ECHO,
  type GoodServer,
  type RawBackend,
  except,
  good,
  rawBackend,
  response,
} from './support/backend.ts'
import {
  META,
  type TestGateway,
  answerOf,
  legacyClient,
  modernCall,
  modernHeaders,
  startGateway,
} from './support/gateway.ts'
import { type RawRequest, messagesOf, openWire, requestBytes, roundTrip } from './support/wire.ts'

const RESULT = '"result":{"content":[{"type":"text","text":"answer"}]}'

/** A call that asks for progress. */
const progressCall: RawRequest = {
  headers: modernHeaders('tools/call', 'bad_echo'),
  body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bad_echo","_meta":${META.replace('{', '{"progressToken":"mine",')}}}`,
}

const progress = (token: string, step: number | string): string =>
  `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":${step}}}`
const event = (data: string): string => `data: ${data}\n\n`

for (const era of ['modern', 'legacy'] as const) {
  const server: GoodServer = { era, tools: ECHO }

  describe(`a ${era} backend with too much to say`, () => {
    let bad: RawBackend | undefined
    let other: RawBackend | undefined
    let gateway: TestGateway | undefined
    before(async () => {
      bad = await rawBackend(good(server))
      other = await rawBackend(good({ era: 'modern', tools: ECHO }))
      gateway = await startGateway({
        backends: { bad: { url: bad.url, timeout: '2s' }, good: other.url },
        gateway: { limits: { queue: 16 } },
      })
    })
    after(async () => {
      await gateway?.close()
      await bad?.stop()
      await other?.stop()
    })
    const port = (): number => gateway?.port ?? assert.fail('not started')
    const behave = (behaviour: Behaviour): void => bad?.behave(except('tools/call', behaviour, server))
    const othersAreServed = async (): Promise<void> => {
      assert.match((await roundTrip(port(), modernCall('good_echo'))).body, /"served"/)
    }

    test('a burst reaches a client that reads, whole and in order', async () => {
      const steps = Array.from({ length: 5000 }, (_, step) => step)
      behave(({ id }, reply) => {
        reply.events()
        reply.raw(steps.map((step) => event(progress(id, step))).join('') + event(response(id, RESULT)))
        reply.end()
      })
      const [answer] = await Promise.all([roundTrip(port(), progressCall), othersAreServed()])
      const messages = messagesOf(answer)
      assert.match(messages.at(-1) ?? '', /"answer"/)
      assert.deepEqual(
        messages.slice(0, -1),
        steps.map((step) => progress('"mine"', step)),
      )
    })

    test('what belongs to nobody or to somebody else is dropped', async () => {
      behave(({ id }, reply) => {
        reply.events()
        for (const token of ['"mine"', '1', `"${id}"`, String(Number(id) + 1), 'null', '{}'])
          reply.event(progress(token, 1))
        reply.event('{"jsonrpc":"2.0","method":"notifications/progress"}')
        reply.event(progress(id, 2))
        reply.event(response(id, RESULT))
        reply.end()
      })
      const [first, ...rest] = messagesOf(await roundTrip(port(), progressCall))
      assert.equal(first, progress('"mine"', 2))
      assert.equal(rest.length, 1)
      // Nor does a call that asked for no progress get any.
      const silent = await roundTrip(port(), modernCall('bad_echo'))
      assert.equal(silent.headers['content-type'], 'application/json')
      assert.match(silent.body, /"answer"/)
    })

    test('a client that does not read stops its backend, not the gateway', async () => {
      const stalled = Promise.withResolvers<number>()
      const told = Promise.withResolvers<void>()
      let sent = 0
      behave(({ id }, reply) => {
        const block = Array.from({ length: 100 }, (_, step) => event(progress(id, step))).join('')
        let last = -1
        reply.events()
        // Silence for half a second means that nobody takes any more.
        const watch = setInterval(() => {
          if (sent === last) stalled.resolve(sent)
          last = sent
        }, 500)
        const more = (): void => {
          do sent += block.length
          while (!reply.socket.destroyed && sent < 200_000_000 && reply.socket.write(block))
        }
        reply.socket.on('drain', more).on('close', () => {
          clearInterval(watch)
          stalled.resolve(sent)
          told.resolve()
        })
        more()
      })
      const wire = await openWire(port())
      wire.socket.pause()
      wire.write(requestBytes(progressCall))
      const [bytes] = await Promise.all([stalled.promise, othersAreServed()])
      assert.ok(bytes < 50_000_000, `${bytes} bytes were taken for a client that does not read`)
      wire.close()
      await told.promise
      await othersAreServed()
    })

    test('noise without end is over when the time of the call is', async () => {
      const told = Promise.withResolvers<void>()
      behave((_received, reply) => {
        reply.events()
        const block = event(progress('"foreign"', 1)).repeat(20)
        const timer = setInterval(() => reply.raw(block), 1)
        reply.socket.on('close', () => {
          clearInterval(timer)
          told.resolve()
        })
      })
      const [answer] = await Promise.all([roundTrip(port(), progressCall), othersAreServed()])
      assert.equal(answerOf(answer).error?.data?.['code'], 'BACKEND_TIMEOUT')
      await told.promise
    })

    test('requests of the backend are answered or left alone, and never reach the client', async () => {
      behave(({ id }, reply) => {
        reply.events()
        reply.event('{"jsonrpc":"2.0","id":1,"method":"ping"}')
        reply.event('{"jsonrpc":"2.0","id":"s","method":"sampling/createMessage","params":{}}')
        reply.event(response(id, RESULT))
        reply.end()
      })
      const answer = await roundTrip(port(), progressCall)
      assert.match(messagesOf(answer).join(), /"answer"/)
      assert.doesNotMatch(answer.body, /sampling|ping/)
      await othersAreServed()
    })

    test('a legacy client whose connection is full loses messages, and its call runs on', async () => {
      const answered = Promise.withResolvers<void>()
      behave(({ id }, reply) => {
        reply.events()
        reply.raw(event(progress(id, 1)).repeat(1000) + event(response(id, RESULT)))
        reply.end()
        answered.resolve()
      })
      const client = await legacyClient(port())
      const wire = await openWire(port())
      wire.socket.pause()
      wire.write(
        requestBytes({
          headers: { 'mcp-session-id': client.session },
          body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bad_echo","_meta":{"progressToken":1}}}',
        }),
      )
      await answered.promise
      await othersAreServed()
      wire.close()
      await once(wire.socket, 'close')
    })
  })
}
