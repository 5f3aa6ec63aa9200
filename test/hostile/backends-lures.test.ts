// Addresses that a backend names lead the gateway nowhere: it goes only where its operator sent it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type RawBackend, ECHO, except, rawBackend, response } from './support/backend.ts'
import { type TestGateway, answerOf, modernCall, modernRequest, startGateway } from './support/gateway.ts'
import { roundTrip } from './support/wire.ts'

let trap: RawBackend
let backend: RawBackend
let gateway: TestGateway

before(async () => {
  trap = await rawBackend((_, reply) => reply.json('{}'))
  const lure = JSON.stringify(trap.url)
  const tools =
    `{"name":"lure","title":"t","icons":[{"src":${lure},"mimeType":"image/png"}],` +
    `"inputSchema":{"type":"object","$schema":${lure},"$id":${lure},"properties":{"a":{"$ref":${lure}},` +
    `"b":{"$dynamicRef":${lure}}},"$ref":${lure}},"outputSchema":{"type":"object","$ref":${lure}},` +
    `"_meta":{"ui":{"resourceUri":"ui://x"}}},${ECHO}`
  backend = await rawBackend(
    except(
      'tools/call',
      ({ id }, reply) =>
        reply.json(
          response(
            id,
            `"result":{"resultType":"complete","structuredContent":{"a":1},"content":[{"type":"resource_link","uri":${lure},"name":"n"}]}`,
          ),
        ),
      { era: 'modern', tools },
    ),
  )
  gateway = await startGateway({ backends: { good: backend.url } })
})

after(async () => {
  await gateway.close()
  await Promise.all([backend, trap].map((one) => one.stop()))
})

test('schemas, icons and links of tools are passed on, not looked up', async () => {
  const list = answerOf(await roundTrip(gateway.port, modernRequest('tools/list')))
  assert.ok(JSON.stringify(list.result).includes(trap.url))
  const call = await roundTrip(gateway.port, modernCall('good_lure', { args: '{"a":1,"b":2}' }))
  assert.equal(call.status, 200, call.body)
  assert.deepEqual(trap.received, [])
})

test('redirects of a backend are not followed, whatever their status, not even at the first contact', async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    const moved = await rawBackend((_, reply) => reply.json('', { status, headers: { location: trap.url } }))
    const other = await startGateway({
      backends: { moved: { url: moved.url, headers: { Authorization: 'Bearer for-moved-only' } } },
    })
    try {
      assert.equal(other.gateway.report()[0]?.condition.state, 'down')
      assert.ok(moved.received.length > 0)
      assert.deepEqual(trap.received, [], String(status))
    } finally {
      await other.close()
      await moved.stop()
    }
  }
})
