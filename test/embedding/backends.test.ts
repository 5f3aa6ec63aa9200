// Backends that come and go while the gateway serves.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ConfigError, type GatewayInput } from '../../src/index.ts'
import { GENERATIONS, connectClient } from '../language/client.ts'
import { legacyServer, modernServer } from '../language/http-backend.ts'
import { eventually } from '../language/journal.ts'
import { answering, restServer } from '../language/rest-server.ts'
import { scopeOf } from '../language/scope.ts'
import { stdioServer } from '../language/stdio-backend.ts'
import { rawSubscription } from '../language/subscription.ts'
import { embedded } from './house.ts'

for (const generation of GENERATIONS) {
  test(`a ${generation} client gets the tools of a backend that is registered while it is connected, and loses them`, async (t) => {
    const scope = scopeOf(t)
    const [one, two] = [
      await modernServer(scope, { label: 'one' }),
      await legacyServer(scope, { label: 'two' }),
    ]
    const { gateway } = embedded(scope, { backends: { a: one.url } })
    const { url } = await gateway.listen({ port: 0 })
    await gateway.ready()
    const client = await connectClient(generation, { url })
    scope.after(async () => client.close())
    const has = async (name: string): Promise<boolean> =>
      (await client.tools()).some((tool) => tool.name === name)
    assert.deepEqual([await has('a_echo'), await has('b_echo')], [true, false])
    gateway.registerBackend({ name: 'b', url: two.url })
    assert.equal(await has('b_echo'), true)
    assert.equal((await client.call('b_echo', { n: 1 })).text, 'two: {"n":1}')
    const single = await connectClient(generation, { url: `${url}/b` })
    assert.equal((await single.call('echo')).text, 'two: {}')
    await single.close()
    await gateway.removeBackend('b')
    assert.deepEqual([await has('a_echo'), await has('b_echo')], [true, false])
    await assert.rejects(client.call('b_echo'), /Unknown tool|UNKNOWN_TOOL/)
    assert.equal((await client.call('a_echo')).text, 'one: {}')
  })
}

test('subscriptions that are open are told of a backend that comes, of its changes, and that it goes', async (t) => {
  const scope = scopeOf(t)
  const [one, two] = [await modernServer(scope), await modernServer(scope)]
  const { gateway } = embedded(scope, { backends: { a: one.url } })
  const { url } = await gateway.listen({ port: 0 })
  await gateway.ready()
  const { messages } = await rawSubscription(scope, { url }, { filter: { toolsListChanged: true } })
  await messages.until(({ method }) => method?.includes('acknowledged') === true)
  const changes = (): number => messages.count(({ method }) => method === 'notifications/tools/list_changed')
  const told = async (what: string, count: number): Promise<void> =>
    eventually(what, () => changes() >= count)
  gateway.registerBackend('b', two.url)
  await told('it came', 1)
  const before = changes()
  await two.setTools([{ name: 'other', does: 'echo' }])
  await told('its tools changed', before + 1)
  const then = changes()
  await gateway.removeBackend('b')
  await told('it went', then + 1)
})

test('a subscription to one backend ends in good order when that goes', async (t) => {
  const scope = scopeOf(t)
  const one = await modernServer(scope)
  const { gateway } = embedded(scope, { backends: { a: one.url } })
  const { url } = await gateway.listen({ port: 0 })
  await gateway.ready()
  const opened = await rawSubscription(scope, { url: `${url}/a` }, { filter: { toolsListChanged: true } })
  await opened.messages.until(({ method }) => method?.includes('acknowledged') === true)
  await gateway.removeBackend('a')
  await opened.messages.until((message) => message.result !== undefined)
  await opened.ended
})

describe('removing a backend', () => {
  test('lets its calls finish, and takes no new ones', async (t) => {
    const scope = scopeOf(t)
    const one = await modernServer(scope, { label: 'one' })
    const { gateway } = embedded(scope, { backends: { a: one.url } })
    const waiting = gateway.call({ backend: 'a', tool: 'wait' })
    await one.journal.until(({ kind }) => kind === 'call')
    let isClosed = false
    const remove = async (): Promise<void> => {
      await gateway.removeBackend('a')
      isClosed = true
    }
    const removed = remove()
    await assert.rejects(gateway.call({ backend: 'a', tool: 'echo' }), { code: 'UNKNOWN_BACKEND' })
    assert.equal(isClosed, false)
    one.release()
    assert.deepEqual((await waiting).content, [{ type: 'text', text: 'one: released' }])
    await removed
  })

  test('ends calls that do not finish in time', async (t) => {
    const scope = scopeOf(t)
    const one = await modernServer(scope)
    const { gateway } = embedded(scope, { backends: { a: one.url }, gateway: { drain: '50ms' } })
    const waiting = gateway.call({ backend: 'a', tool: 'wait' })
    await one.journal.until(({ kind }) => kind === 'call')
    const [call, removal] = await Promise.allSettled([waiting, gateway.removeBackend('a')])
    assert.equal(call.status, 'rejected')
    assert.equal(removal.status, 'fulfilled')
  })

  test('ends its process', async (t) => {
    const scope = scopeOf(t)
    const backend = await stdioServer(scope, 'modern')
    const { gateway } = embedded(scope, { backends: {} })
    gateway.registerBackend('a', backend.settings as never)
    await gateway.call({ backend: 'a', tool: 'echo' })
    await gateway.removeBackend('a')
    await eventually('the process is gone', () => backend.running().length === 0)
  })

  test('frees its name, also for another server at once', async (t) => {
    const scope = scopeOf(t)
    const [one, two] = [
      await modernServer(scope, { label: 'one' }),
      await modernServer(scope, { label: 'two' }),
    ]
    const { gateway } = embedded(scope, { backends: { a: one.url } })
    await gateway.call({ backend: 'a', tool: 'echo' })
    const removed = gateway.removeBackend('a')
    gateway.registerBackend('a', two.url)
    assert.deepEqual((await gateway.call({ backend: 'a', tool: 'echo' })).content, [
      { type: 'text', text: 'two: {}' },
    ])
    await removed
    assert.deepEqual(gateway.backends, ['a'])
    assert.deepEqual(gateway.metrics().byTool, { 'a.echo': 1 })
  })

  test('of which there is none is an error', async (t) => {
    const { gateway } = embedded(scopeOf(t))
    await assert.rejects(gateway.removeBackend('a'), { code: 'UNKNOWN_BACKEND' })
  })
})

test('a service over plain HTTP is registered like any other, and goes like any other', async (t) => {
  const scope = scopeOf(t)
  const service = await restServer(scope, answering({ find: { body: '{"found":1}' } }))
  const { gateway } = embedded(scope)
  gateway.registerBackend({ name: 'crm', rest: { url: service.url, tools: { find: {} } } })
  const { structuredContent } = await gateway.call({ backend: 'crm', tool: 'find', arguments: { id: 7 } })
  assert.deepEqual(structuredContent, { found: 1 })
  await gateway.removeBackend('crm')
  await assert.rejects(gateway.call({ backend: 'crm', tool: 'find' }), { code: 'UNKNOWN_BACKEND' })
})

test('backends that stay keep their sessions, lists and circuits', async (t) => {
  const scope = scopeOf(t)
  const [one, two] = [await legacyServer(scope), await modernServer(scope)]
  const { gateway } = embedded(scope, { backends: { a: one.url } })
  await gateway.ready()
  const requests = (method: string): number =>
    one.journal.count((sighting) => sighting.kind === 'request' && sighting.method === method)
  const before = [requests('initialize'), requests('tools/list')]
  gateway.registerBackend('b', two.url)
  await gateway.call({ backend: 'b', tool: 'echo' })
  await gateway.removeBackend('b')
  await gateway.call({ backend: 'a', tool: 'echo' })
  assert.deepEqual([requests('initialize'), requests('tools/list')], before)
})

describe('rules of authorization', () => {
  test('are about backends that come later too', async (t) => {
    const scope = scopeOf(t)
    const one = await modernServer(scope)
    const { gateway } = embedded(scope, {
      auth: { apiKeys: {} },
      authorization: { scopes: { read: ['late_echo'] } },
    })
    gateway.registerBackend('late', one.url)
    const principal = { subject: 'ann', scopes: ['read'] }
    await gateway.call({ backend: 'late', tool: 'echo', principal })
    await assert.rejects(gateway.call({ backend: 'late', tool: 'fail', principal }), { code: 'UNKNOWN_TOOL' })
  })

  test('that would become ambiguous keep a backend out', async (t) => {
    const scope = scopeOf(t)
    const { gateway } = embedded(scope, {
      backends: { a: 'http://127.0.0.1:9/mcp' },
      auth: { apiKeys: {} },
      authorization: { scopes: { read: ['a_b_c'] } },
    })
    assert.throws(
      () => gateway.registerBackend('a_b', 'http://127.0.0.1:9/mcp'),
      (error) => error instanceof ConfigError && /could be about tools of a and a_b/.test(error.message),
    )
    assert.deepEqual(gateway.backends, ['a'])
  })
})

describe('a configuration that cannot be used', () => {
  test('is told with everything that is wrong with it, and without secrets', () => {
    const input = {
      gateway: { listen: 'nowhere', drain: 10, nmae: 'x' },
      backends: {
        'a b': 'http://127.0.0.1:1/mcp',
        c: { url: 'SECRET', timeout: '1 day', headers: { a: 1 } },
      },
      limits: [{ rate: 'often' }],
    } as unknown as GatewayInput
    assert.throws(
      () => embedded({ after: () => undefined }, input),
      (error) => {
        assert.ok(error instanceof ConfigError)
        assert.deepEqual(error.problems.map(({ path }) => path).toSorted(), [
          'backends."a b"',
          'backends.c.headers.a',
          'backends.c.timeout',
          'backends.c.url',
          'gateway.drain',
          'gateway.listen',
          'gateway.nmae',
          'limits[0].rate',
        ])
        for (const { path } of error.problems) assert.ok(error.message.includes(path))
        assert.match(error.message, /did you mean name\?/)
        assert.ok(!error.message.includes('SECRET'))
        return true
      },
    )
  })

  test('is no configuration at all: circles, functions, too much', () => {
    const circle: Record<string, unknown> = {}
    circle['gateway'] = circle
    const scope = { after: () => undefined }
    const inputs: readonly object[] = [circle, { backends: { a: () => '' } }, { backends: null }]
    for (const input of inputs) assert.throws(() => embedded(scope, input), ConfigError)
  })

  test('a name that is taken is an error, and changes nothing', async (t) => {
    const { gateway } = embedded(scopeOf(t), { backends: { a: 'http://127.0.0.1:9/mcp' } })
    assert.throws(
      () => gateway.registerBackend('a', 'http://127.0.0.1:8/mcp'),
      /backends\.a: this name is taken/,
    )
    for (const name of ['gateway', 'no name', ''])
      assert.throws(() => gateway.registerBackend(name, 'http://127.0.0.1:8/mcp'), ConfigError)
    assert.deepEqual(gateway.backends, ['a'])
  })

  test('a listener may be closed before the gateway, and others opened', async (t) => {
    const { gateway } = embedded(scopeOf(t))
    const first = await gateway.listen({ port: 0 })
    const second = await gateway.listen({ port: 0 })
    assert.equal((await fetch(new URL('/healthz', first.url))).status, 200)
    await first.close()
    await assert.rejects(fetch(new URL('/healthz', first.url)))
    assert.equal((await fetch(new URL('/healthz', second.url))).status, 200)
    await gateway.close()
    await assert.rejects(fetch(new URL('/healthz', second.url)))
    assert.throws(() => gateway.registerBackend('a', 'http://127.0.0.1:9/mcp'), { code: 'DRAINING' })
    assert.deepEqual(gateway.backends, [])
  })

  test('nothing is listened on or served once the gateway is closed, nor what was being bound', async (t) => {
    const { gateway } = embedded(scopeOf(t))
    const binding = gateway.listen({ port: 0 })
    const refused = assert.rejects(binding, { code: 'DRAINING' })
    await gateway.close()
    await refused
    await assert.rejects(gateway.listen({ port: 0 }), { code: 'DRAINING' })
    // Its first request, so that there was nothing to be closed.
    const body = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
    const headers = { 'content-type': 'application/json' }
    const request = new Request('http://127.0.0.1/mcp', { method: 'POST', headers, body })
    assert.equal((await gateway.fetch(request)).status, 503)
  })

  test('listening where others can connect needs authentication', async (t) => {
    const { gateway } = embedded(scopeOf(t))
    await assert.rejects(
      gateway.listen({ host: '0.0.0.0', port: 0 }),
      (error) => error instanceof ConfigError && /not authenticated/.test(error.message),
    )
  })
})
