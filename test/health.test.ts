/** Health checks, what they show, and who is told: operators by status, clients by `gateway_health`. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { GENERATIONS } from './language/client.ts'
import { front } from './language/front.ts'
import { type House, type HouseOptions, gateway } from './language/house.ts'
import { legacyServer, modernServer } from './language/http-backend.ts'
import { eventually } from './language/journal.ts'
import { gatewayProcess, site, toolgate } from './language/process.ts'
import { type Scope, scopeOf } from './language/scope.ts'
import { stdioServer } from './language/stdio-backend.ts'

/** Checks that follow each other fast, so that a test need not wait for them. */
const HEALTH = { interval: '50ms', timeout: '1s', unhealthy: 2, healthy: 2 }

async function house(scope: Scope, options: HouseOptions): Promise<House> {
  const built = await gateway({
    ...options,
    gateway: { tools: { health: true, metrics: false }, ...options.gateway },
  })
  scope.after(async () => built.close())
  return built
}

const NOWHERE = { settings: { url: 'http://127.0.0.1:9/mcp' } }

describe('gateway_health', () => {
  for (const generation of GENERATIONS) {
    test(`tells a client of the generation ${generation} how every backend is`, async (t) => {
      const { url } = await modernServer(scopeOf(t))
      // A check that ends in between would bring its latency.
      const good = { settings: { url, health: 'off' } }
      const one = await house(scopeOf(t), { backends: { good, dead: NOWHERE } })
      const client = await one.client(generation)
      const names = (await client.tools()).map(({ name }) => name)
      assert.ok(names.includes('gateway_health'), names.join())
      // Asked for once more: the SDK has the output schema now, and checks the answer against it.
      const { text, isError } = await client.call('gateway_health')
      assert.equal(isError, false)
      assert.deepEqual(JSON.parse(text), {
        good: { status: 'healthy' },
        dead: { status: 'unreachable', error: 'connection refused' },
      })
    })
  }

  test('has the shape of its output schema, with the latency of the last check', async (t) => {
    const good = await modernServer(scopeOf(t))
    const one = await house(scopeOf(t), {
      backends: { good: { settings: { url: good.url, health: HEALTH } } },
    })
    await eventually('it was checked', () => one.gateway.report()[0]?.health.latencyMs !== undefined)
    const { response } = await one.raw.modern('tools/call', { name: 'gateway_health', arguments: {} })
    const told = response.result?.['structuredContent'] as Readonly<Record<string, { latency_ms?: number }>>
    assert.deepEqual(Object.keys(told), ['good'], 'the gateway itself is no backend of its own')
    assert.ok((told['good']?.latency_ms ?? -1) >= 0)
    const [content] = (response.result?.['content'] ?? []) as readonly { readonly text: string }[]
    assert.deepEqual(JSON.parse(content?.text ?? ''), told)
  })

  test('is a tool like any other: on its own route under its own name, last in the list, and cached like it', async (t) => {
    const good = await modernServer(scopeOf(t), { ttlMs: 60_000, cacheScope: 'public' })
    const one = await house(scopeOf(t), { backends: { good }, gateway: { names: 'bare' } })
    const all = await one.raw.modern('tools/list')
    assert.equal(all.response.result?.tools?.at(-1)?.name, 'gateway_health')
    assert.ok((all.response.result.ttlMs ?? 0) > 50_000, 'it does not make the list of others stale')
    assert.equal(all.response.result.cacheScope, 'public')
    const own = await one.raw.modern('tools/list', {}, { route: 'gateway' })
    assert.deepEqual(
      own.response.result?.tools?.map(({ name }) => name),
      ['health'],
    )
    const called = await one.raw.modern('tools/call', { name: 'health', arguments: {} }, { route: 'gateway' })
    assert.ok(called.response.result !== undefined)
    const unknown = await one.raw.modern('tools/call', { name: 'healt', arguments: {} }, { route: 'gateway' })
    assert.equal(unknown.response.error?.code, -32602)
  })

  test('is hidden where the configuration says so, and then nothing is served at its route', async (t) => {
    const good = await modernServer(scopeOf(t))
    const one = await house(scopeOf(t), {
      backends: { good },
      gateway: { tools: { health: false, metrics: false } },
    })
    const { response } = await one.raw.modern('tools/list')
    assert.ok(response.result?.tools?.every(({ name }) => name.startsWith('good_')))
    const called = await one.raw.modern('tools/call', { name: 'gateway_health', arguments: {} })
    assert.equal(called.response.error?.data?.['code'], 'UNKNOWN_TOOL')
    assert.equal((await one.raw.modern('tools/list', {}, { route: 'gateway' })).status, 404)
  })
})

describe('health checks', () => {
  test('ask every backend in its own language', async (t) => {
    const modern = await modernServer(scopeOf(t))
    const legacy = await legacyServer(scopeOf(t))
    const settings = (url: string) => ({ settings: { url, health: HEALTH } })
    const piped = await stdioServer(scopeOf(t), 'legacy')
    const one = await house(scopeOf(t), {
      backends: {
        modern: settings(modern.url),
        legacy: settings(legacy.url),
        piped: { settings: { ...piped.settings, health: HEALTH } },
      },
    })
    await eventually(
      'the modern server is asked again and again',
      () => modern.journal.count((saw) => saw.kind === 'request' && saw.method === 'server/discover') > 3,
    )
    await eventually(
      'the legacy server is pinged again and again',
      () => legacy.journal.count((saw) => saw.kind === 'request' && saw.method === 'ping') > 2,
    )
    await eventually('the process answers', () => one.gateway.report()[2]?.health.latencyMs !== undefined)
    assert.deepEqual(
      one.gateway.report().map(({ health }) => health.status),
      ['healthy', 'healthy', 'healthy'],
    )
  })

  test('ask the path that is configured: a bad status is degraded, then unhealthy, then healthy again', async (t) => {
    const server = await modernServer(scopeOf(t))
    let status = 200
    const asked: string[] = []
    const url = await front(scopeOf(t), server.url, ({ request, response }) => {
      if (request.method !== 'GET') return false
      asked.push(request.url ?? '')
      response.writeHead(status).end('a page')
      return true
    })
    const one = await house(scopeOf(t), {
      backends: { a: { settings: { url, health: { ...HEALTH, path: '/health?deep=1' } } } },
    })
    const now = () => one.gateway.report()[0]?.health
    await eventually('it is healthy', () => now()?.latencyMs !== undefined)
    status = 503
    await eventually('it is unhealthy', () => now()?.status === 'unhealthy')
    assert.equal(now()?.reason, 'answered HTTP 503')
    const lines = one.log.entries
      .filter(({ message }) => message.startsWith('backend is '))
      .map(({ message }) => message)
    assert.deepEqual(lines, ['backend is degraded', 'backend is unhealthy'])
    const { response } = await one.raw.modern('tools/call', { name: 'a_echo', arguments: {} })
    assert.ok(response.result !== undefined, 'there is no other endpoint: calls still go there')
    status = 204
    await eventually('it is healthy again', () => now()?.status === 'healthy')
    assert.deepEqual([...new Set(asked)], ['/health?deep=1'])
    const checks = server.journal.count((saw) => saw.kind === 'request' && saw.method === 'server/discover')
    assert.ok(checks <= 2, 'the path is asked instead of the server itself')
  })

  test('off asks nothing, and traffic alone tells', async (t) => {
    const server = await modernServer(scopeOf(t))
    const one = await house(scopeOf(t), { backends: { a: { settings: { url: server.url, health: 'off' } } } })
    assert.equal(one.gateway.report()[0]?.health.status, 'healthy')
    await server.stop()
    await eventually('the loss is noticed', async () => {
      await one.raw.modern('tools/call', { name: 'a_echo', arguments: {} })
      return one.gateway.report()[0]?.health.status === 'unreachable'
    })
    await server.start()
    await eventually('the return is noticed', () => one.gateway.report()[0]?.health.status === 'healthy')
  })

  test('status shows state, reason and latency of every backend and endpoint', async (t) => {
    const [good, other] = await Promise.all([modernServer(scopeOf(t)), modernServer(scopeOf(t))])
    await other.stop()
    const where = await site(scopeOf(t), {
      admin: { listen: '127.0.0.1:0' },
      backends: { many: { settings: { url: [good.url, other.url], health: HEALTH } }, dead: NOWHERE },
    })
    await using serving = await gatewayProcess(where)
    interface Shown {
      readonly state: string
      readonly reason: string | null
      readonly since: string
      readonly latencyMs: number | null
    }
    interface Status {
      readonly backends: readonly (Shown & {
        readonly endpoints?: readonly (Shown & { readonly url: string })[]
      })[]
    }
    const status = JSON.parse((await toolgate(where, 'status', '--json')).stdout) as Status
    const [many, dead] = status.backends
    assert.equal(many?.state, 'degraded')
    assert.match(many.reason ?? '', /^1 of 2 endpoints are out of rotation: /)
    assert.ok(Date.parse(many.since) > 0)
    assert.deepEqual(
      many.endpoints?.map(({ url, state }) => [url, state]),
      [
        [good.url, 'healthy'],
        [other.url, 'unreachable'],
      ],
    )
    assert.deepEqual([dead?.state, dead?.reason], ['unreachable', 'connection refused'])
    const { stdout } = await toolgate(where, 'status')
    assert.match(stdout, /^many +degraded +\S+ +modern +http +4 +1 of 2 endpoints/m)
    assert.match(stdout, /^ {2}127\.0\.0\.1:\d+\/mcp +unreachable /m)
    serving.kill('SIGTERM')
    await serving.exit
  })
})

test('idle connections are given up before the backend does, so that no call meets their end', async (t) => {
  const server = await modernServer(scopeOf(t))
  const used = new WeakMap<object, number>()
  // The race at its worst: what comes on a connection that was idle for longer than the backend allows meets its end.
  const url = await front(scopeOf(t), server.url, ({ request, response }) => {
    const last = used.get(request.socket)
    const isStale = last !== undefined && performance.now() - last > 300
    if (isStale) request.socket.resetAndDestroy()
    else response.on('finish', () => used.set(request.socket, performance.now()))
    return isStale
  })
  const one = await house(scopeOf(t), {
    backends: { a: { settings: { url, keepAlive: '100ms', health: 'off' } } },
  })
  for (const pause of [0, 80, 120, 310, 330, 120, 400]) {
    await new Promise((resolve) => setTimeout(resolve, pause))
    const { response } = await one.raw.modern('tools/call', { name: 'a_echo', arguments: {} })
    assert.equal(response.error, undefined, `lost after ${pause} ms`)
  }
})

test('connections are used again, unless the backend says that it closes them within the margin', async (t) => {
  const server = await modernServer(scopeOf(t))
  const connectionsWith = async (hint: string | undefined): Promise<number> => {
    const sockets = new Set<object>()
    const url = await front(scopeOf(t), server.url, ({ request, response, body }) => {
      if (hint !== undefined) response.setHeader('keep-alive', hint)
      if (body.includes('"tools/call"')) sockets.add(request.socket)
      return false
    })
    const one = await house(scopeOf(t), {
      backends: { a: { settings: { url, health: 'off', keepAlive: '1m' } } },
    })
    for (let call = 0; call < 4; call++) await one.raw.modern('tools/call', { name: 'a_echo', arguments: {} })
    return sockets.size
  }
  assert.equal(await connectionsWith(undefined), 1)
  assert.equal(await connectionsWith('timeout=60'), 1)
  assert.equal(await connectionsWith('timeout=2'), 4)
})
