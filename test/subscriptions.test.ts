// Subscriptions: clients follow what changes behind the gateway, in whatever era it happens.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { PassThrough } from 'node:stream'
import { createInterface } from 'node:readline'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { feed } from './language/feed.ts'
import { gateway } from './language/house.ts'
import { type Journal, createJournal, eventually } from './language/journal.ts'
import { type Site, site } from './language/process.ts'
import type { RpcMessage } from './language/raw.ts'
import type { Scope } from './language/scope.ts'
import { rawSubscription as raw } from './language/subscription.ts'

const CHANGED = 'notifications/tools/list_changed'
const isListen = (method: string): boolean => method === 'subscriptions/listen'

/** An official client, with what it is told: `tools`, or the URI of a resource. */
async function official(
  scope: Scope,
  address: URL | Site,
): Promise<{ readonly client: Client; readonly heard: Journal<string> }> {
  const heard = createJournal<string>('what the client hears')
  const client = new Client(
    { name: 'follower', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  client.setNotificationHandler(CHANGED, () => heard.record('tools'))
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => heard.record(params.uri))
  const program = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  await client.connect(
    address instanceof URL
      ? new StreamableHTTPClientTransport(address)
      : new StdioClientTransport({
          command: process.execPath,
          args: [program, 'stdio', address.file],
          env: address.env,
          stderr: 'ignore',
        }),
  )
  scope.after(async () => client.close())
  return { client, heard }
}

suite('a subscription over HTTP', () => {
  test('is acknowledged first, and everything on it carries the id of the client', async (t) => {
    const a = await feed(t, 'modern', ['a://one'])
    const b = await feed(t, 'legacy', ['b://two'])
    await using house = await gateway({ backends: { a, b } })
    const filter = { toolsListChanged: true, resourceSubscriptions: ['a://one', 'b://two'] }
    const one = await raw(t, house, { filter, id: '9007199254740993' })
    const first = await one.messages.until(() => true)
    assert.equal(
      first.text,
      '{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":9007199254740993},"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a://one","b://two"]}}}',
    )
    a.touch('a://one')
    b.touch('b://two')
    b.changeTools()
    for (const part of ['"a://one"', '"b://two"', CHANGED])
      await one.messages.until(({ text, method }) => text.includes(part) && method !== first.method)
    for (const { text } of one.messages.entries)
      assert.match(text, /"io.modelcontextprotocol\/subscriptionId":9007199254740993/)
    assert.equal(one.messages.entries.length, 4)
  })

  for (const era of ['modern', 'legacy'] as const) {
    test(`tells an official client what it asked for of a ${era} backend, and nothing else`, async (t) => {
      const a = await feed(t, era, ['x://1', 'x://2'])
      const other = await feed(t, 'modern')
      await using house = await gateway({ backends: { a, other } })
      const { client, heard } = await official(t, new URL(house.url))
      assert.deepEqual(client.getServerCapabilities()?.resources, { listChanged: true, subscribe: true })
      const subscription = await client.listen({ resourceSubscriptions: ['x://1'] })
      assert.deepEqual(subscription.honoredFilter, { resourceSubscriptions: ['x://1'] })
      a.changeTools()
      other.changeTools()
      a.touch('x://2')
      a.touch('x://1')
      await heard.until((what) => what === 'x://1')
      const lists = await client.listen({ toolsListChanged: true })
      other.changeTools()
      await heard.until((what) => what === 'tools')
      await lists.close()
      await subscription.close()
      assert.deepEqual(heard.entries, ['x://1', 'tools'])
    })
  }

  test('of several clients is one at the backend, for as long as one of them follows', async (t) => {
    const a = await feed(t, 'modern', ['x://1'])
    await using house = await gateway({ backends: { a } })
    await a.journal.until(isListen)
    const filter = { toolsListChanged: true, resourceSubscriptions: ['x://1'] }
    const clients = await Promise.all([1, 2, 3].map(async () => official(t, new URL(house.url))))
    const open = await Promise.all(clients.map(async ({ client }) => client.listen(filter)))
    const listens = a.journal.count(isListen)
    assert.equal(listens, 2, 'the gateway’s own, and one with the resource in its place')
    await a.journal.until((what) => what === 'closed subscriptions/listen')
    a.touch('x://1')
    await Promise.all(clients.map(async ({ heard }) => heard.until((what) => what === 'x://1')))
    await open[0]?.close()
    a.changeTools()
    await clients[2]?.heard.until((what) => what === 'tools')
    assert.equal(a.journal.count(isListen), listens)
    assert.equal(
      a.journal.count((what) => what === 'closed subscriptions/listen'),
      1,
    )
  })

  test('at a legacy backend is counted by resource', async (t) => {
    const a = await feed(t, 'legacy', ['x://1'])
    await using house = await gateway({ backends: { a } })
    const { client } = await official(t, new URL(house.url))
    const filter = { resourceSubscriptions: ['x://1'] }
    await (await client.listen(filter)).close()
    const again = await client.listen(filter)
    assert.equal(
      a.journal.count((what) => what === 'resources/subscribe'),
      1,
    )
    await again.close()
  })

  for (const era of ['modern', 'legacy'] as const) {
    test(`outlives a restart of a ${era} backend, and tells what may have been missed`, async (t) => {
      const a = await feed(t, era, ['x://1'])
      await using house = await gateway({ backends: { a } })
      const { client, heard } = await official(t, new URL(house.url))
      const subscription = await client.listen({ toolsListChanged: true, resourceSubscriptions: ['x://1'] })
      await a.stop()
      const before = heard.entries.length
      await a.start()
      await heard.until((what) => what === 'x://1', before)
      await heard.until((what) => what === 'tools')
      const after = heard.entries.length
      a.touch('x://1')
      await heard.until((what) => what === 'x://1', after)
      await subscription.close()
    })
  }

  test('ends in good order when the gateway drains, and does not hold it up', async (t) => {
    const a = await feed(t, 'modern')
    await using house = await gateway({ backends: { a }, gateway: { drain: '60s' } })
    const { client } = await official(t, new URL(house.url))
    const subscription = await client.listen({ toolsListChanged: true })
    const byHand = await raw(t, house, { filter: {} })
    await byHand.messages.until(() => true)
    await house.gateway.close()
    assert.equal(await subscription.closed, 'graceful')
    await byHand.ended
    const { result, id } = byHand.messages.entries.at(-1) ?? {}
    assert.equal(id, 'me')
    assert.equal(result?.['resultType'], 'complete')
    assert.equal(result?._meta?.['io.modelcontextprotocol/subscriptionId'], 'me')
  })

  test('frees its place when the client leaves; beyond the limit none is opened', async (t) => {
    await using house = await gateway({ backends: {}, gateway: { limits: { streams: 2 } } })
    const open = [await raw(t, house, { filter: {} }), await raw(t, house, { filter: {} })]
    for (const { messages } of open) await messages.until(() => true)
    const refused = await raw(t, house, { filter: {} })
    assert.equal(refused.answer.status, 503)
    assert.equal(((await refused.answer.json()) as RpcMessage).error?.data?.['code'], 'TOO_MANY')
    open[0]?.leave()
    await eventually('one is open', () => house.gateway.meter.inFlight === 1)
    const next = await raw(t, house, { filter: {} })
    await next.messages.until(() => true)
  })

  test('of a client that does not read takes no memory and holds nobody up', async (t) => {
    const a = await feed(t, 'modern', ['x://1'])
    await using house = await gateway({ backends: { a } })
    const { port } = new URL(house.url)
    const body = `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["x://1"]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
    const deaf = connect(Number(port), '127.0.0.1')
    t.after(() => deaf.destroy())
    deaf.pause()
    deaf.write(
      `POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: subscriptions/listen\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await eventually('one is open', () => house.gateway.meter.inFlight === 1)
    const { client, heard } = await official(t, new URL(house.url))
    const subscription = await client.listen({ resourceSubscriptions: ['x://1'] })
    for (let times = 1; times <= 50; times++) {
      for (let burst = 0; burst < 100; burst++) a.touch('x://1')
      await heard.until(() => heard.entries.length >= times)
    }
    assert.ok(process.memoryUsage().external < 500e6)
    await subscription.close()
  })
})

suite('a subscription on a pipe', () => {
  test('tells an official client of changes, and ends with the pipe', async (t) => {
    const a = await feed(t, 'modern', ['x://1'])
    const b = await feed(t, 'legacy', ['x://2'])
    const { client, heard } = await official(t, await site(t, { backends: { a, b } }))
    const one = await client.listen({ resourceSubscriptions: ['x://1', 'x://2'] })
    const two = await client.listen({ toolsListChanged: true })
    assert.deepEqual(one.honoredFilter, { resourceSubscriptions: ['x://1', 'x://2'] })
    a.touch('x://1')
    b.touch('x://2')
    b.changeTools()
    for (const what of ['x://1', 'x://2', 'tools']) await heard.until((said) => said === what)
    await one.close()
    // Lines of a pipe are taken in order: with this answer, the end of the subscription has been seen.
    await client.listTools()
    a.touch('x://1')
    const heardBefore = heard.count((what) => what === 'tools')
    a.changeTools()
    await heard.until(() => heard.count((what) => what === 'tools') > heardBefore)
    assert.equal(
      heard.count((what) => what === 'x://1'),
      1,
    )
    await client.close()
    assert.equal(await two.closed, 'remote')
  })

  test('does not keep the pipe open, nor outlives its cancellation', async (t) => {
    const a = await feed(t, 'modern')
    await using house = await gateway({ backends: { a } })
    const [input, output] = [new PassThrough(), new PassThrough()]
    const messages = createJournal<RpcMessage>('what comes on the pipe')
    createInterface({ input: output }).on('line', (line) => messages.record(JSON.parse(line) as RpcMessage))
    const pipe = house.gateway.serveStdio(input, output)
    const meta =
      '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
    for (const id of [1, 2])
      input.write(
        `{"jsonrpc":"2.0","id":${id},"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},${meta}}}\n`,
      )
    const of = (id: number) => (message: RpcMessage) =>
      (message.params?.['_meta'] as Record<string, unknown> | undefined)?.[
        'io.modelcontextprotocol/subscriptionId'
      ] === id
    await Promise.all([messages.until(of(1)), messages.until(of(2))])
    input.write('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}\n')
    await eventually('one is open', () => house.gateway.meter.inFlight === 1)
    a.changeTools()
    await messages.until((message) => message.method === CHANGED && of(2)(message))
    assert.equal(messages.count(of(1)), 1)
    input.end()
    await pipe.done
    assert.equal(house.gateway.meter.inFlight, 0)
  })
})
