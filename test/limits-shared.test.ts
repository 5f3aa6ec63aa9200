// Limits that gateways share: accurate over three processes, and as declared while the server of the store is away.
import assert from 'node:assert/strict'
import { before, describe, suite, test } from 'node:test'
import { type House, gateway } from './language/house.ts'
import { modernServer } from './language/http-backend.ts'
import { eventually } from './language/journal.ts'
import { gatewayProcess, site } from './language/process.ts'
import type { RawClient } from './language/raw.ts'
import { type RedisServer, redisServer, withoutRedis } from './language/redis.ts'
import { type Scope, fileScope } from './language/scope.ts'

/** One call under load: when it was sent and answered, and how. */
interface Shot {
  readonly sent: number
  readonly answered: number
  readonly status: number
}

const call = async (raw: RawClient, tool = 'echo'): Promise<number> =>
  (await raw.modern('tools/call', { name: `b_${tool}`, arguments: {} })).status

/** Calls each gateway again and again, `lanes` calls of each at a time, until it is told to stop. */
function load(
  gateways: readonly RawClient[],
  lanes: number,
  tool?: string,
): { stop(): Promise<readonly Shot[]>; readonly shots: readonly Shot[] } {
  const shots: Shot[] = []
  const end = new AbortController()
  const lane = async (raw: RawClient): Promise<void> => {
    while (!end.signal.aborted) {
      const sent = performance.now()
      const status = await call(raw, tool)
      shots.push({ sent, answered: performance.now(), status })
    }
  }
  const running = gateways.flatMap((raw) => Array.from({ length: lanes }, async () => lane(raw)))
  return {
    shots,
    async stop() {
      end.abort()
      await Promise.all(running)
      return shots
    },
  }
}

/** What three gateways did under load. Each call was decided on between when it was sent and when it was answered. */
interface Decisions {
  readonly admitted: readonly Shot[]
  /** Some of the refusals. */
  readonly refused: readonly Shot[]
}

/** Three gateways in processes of their own that share a store. */
async function threeGateways(scope: Scope, limits: readonly object[]): Promise<readonly RawClient[]> {
  const store = await redisServer(scope)
  const backend = await modernServer(scope)
  const settings = { backends: { b: backend }, limits, store: { url: store.url, timeout: '5s' } }
  const gateways: RawClient[] = []
  while (gateways.length < 3) {
    const started = await gatewayProcess(await site(scope, settings))
    scope.after(async () => started[Symbol.asyncDispose]())
    gateways.push(started.raw)
  }
  return gateways
}

/** Calls a tool more often than its limit allows. */
async function underLoad(gateways: readonly RawClient[], tool: string): Promise<Decisions> {
  const loaded = load(gateways, 3, tool)
  const having = (status: number): readonly Shot[] => loaded.shots.filter((shot) => shot.status === status)
  await eventually('much is admitted', () => having(200).length > 3.5 * COUNT)
  await eventually('much is refused', () => having(429).length > COUNT)
  const shots = await loaded.stop()
  assert.ok(shots.every(({ status }) => status === 200 || status === 429))
  const refused = having(429)
  const some = Math.ceil(refused.length / 200)
  return { admitted: having(200), refused: refused.filter((_, index) => index % some === 0) }
}

/** How many were surely decided on in that span. */
const surely = (shots: readonly Shot[], from: number, to: number): number =>
  shots.filter(({ sent, answered }) => sent > from && answered <= to).length

/** How many may have been decided on in that span. */
const possibly = (shots: readonly Shot[], from: number, to: number): number =>
  shots.filter(({ sent, answered }) => answered > from && sent <= to).length

const PER = 800
const COUNT = 40
const BURST = 20

suite('three gateways with one store', { skip: withoutRedis }, () => {
  const scope = fileScope()
  let gateways: readonly RawClient[]
  before(async () => {
    const rate = `${COUNT}/${PER}ms`
    gateways = await threeGateways(scope, [
      { name: 'exact', key: [], rate, match: { tool: 'echo' } },
      { name: 'bucket', key: [], rate, burst: BURST, match: { tool: 'fail' } },
    ])
  })

  test('never admit more in any span of a sliding window, nor refuse before 99 % of it are used', async () => {
    const { admitted, refused } = await underLoad(gateways, 'echo')
    for (const { answered } of admitted) {
      const within = surely(admitted, answered - PER, answered)
      assert.ok(within <= COUNT, `${within} in one span`)
    }
    for (const { sent, answered } of refused) {
      const used = possibly(admitted, sent - PER, answered)
      assert.ok(used >= 0.99 * COUNT, `refused when ${used} were used`)
    }
  })

  test('never admit more than burst and rate of a bucket, nor refuse before 99 % of them are used', async () => {
    const { admitted, refused } = await underLoad(gateways, 'fail')
    const allowed = (ms: number): number => BURST + (Math.max(0, ms) * COUNT) / PER
    for (const { sent } of admitted) {
      for (const { answered } of admitted) {
        if (answered < sent) continue
        const within = surely(admitted, sent - 1, answered)
        assert.ok(within <= allowed(answered - sent + 1), `${within} within ${answered - sent} ms`)
      }
    }
    for (const { sent, answered } of refused) {
      const isUsed = admitted.some((from) => {
        const used = possibly(admitted, from.sent, answered)
        return from.sent < sent && used + 1 >= 0.99 * allowed(sent - from.answered)
      })
      assert.ok(isUsed, 'refused when the bucket was not empty')
    }
  })

  test('never run more at once than they may together', async (t) => {
    const store = await redisServer(t)
    const backend = await modernServer(t)
    const limits = [{ name: 'two', key: [], concurrency: 2, onExceed: 'queue' }]
    const houses = await housesOf(t, { b: backend }, { limits, store: { url: store.url, timeout: '5s' } }, 3)
    const running = houses.flatMap(({ raw }) =>
      Array.from({ length: 2 }, async () => raw.modern('tools/call', { name: 'b_wait', arguments: {} })),
    )
    const begun = (): number => backend.journal.count(({ kind }) => kind === 'call')
    await eventually('two run', () => begun() === 2)
    await eventually('the others wait', () => sum(houses, 'queued') === 4)
    assert.equal(begun(), 2)
    for (const expected of [4, 6]) {
      backend.release()
      await eventually('two more run', () => begun() === expected)
    }
    backend.release()
    assert.deepEqual(
      (await Promise.all(running)).map(({ status }) => status),
      Array.from({ length: 6 }, () => 200),
    )
  })
})

/** Gateways in this process. */
async function housesOf(
  scope: Scope,
  backends: Parameters<typeof gateway>[0]['backends'],
  settings: Omit<Parameters<typeof gateway>[0], 'backends'>,
  count: number,
): Promise<readonly House[]> {
  const houses = await Promise.all(
    Array.from({ length: count }, async () => gateway({ backends, ...settings })),
  )
  scope.after(async () => void (await Promise.all(houses.map(async (house) => house.close()))))
  return houses
}

const sum = (houses: readonly House[], what: 'queued' | 'refused'): number =>
  houses.reduce((total, house) => total + (house.gateway.limitReports()[0]?.[what] ?? 0), 0)

type Trouble = (server: RedisServer) => Promise<() => Promise<void>>

/** How a server can be away, and how it comes back. */
const TROUBLES: Readonly<Record<string, Trouble>> = {
  'is killed and starts again': async (server) => {
    await server.kill()
    return async () => server.start()
  },
  'stands still and goes on': async (server) => {
    server.pause()
    return async () => server.resume()
  },
  'is busy for a long time': async (server) => {
    // Redis answers nobody meanwhile, this connection included.
    const busy = server.client.call('DEBUG', 'SLEEP', '5')
    return async () => void (await busy)
  },
}

const away = (house: House): boolean => {
  const status = house.gateway.storeStatus
  return status.kind === 'shared' && status.state === 'away'
}

/** Two gateways under load, of which the store goes away and comes back; what is answered meanwhile. */
async function underTrouble(
  scope: Scope,
  trouble: Trouble,
  onStoreFailure: string,
): Promise<{
  readonly during: readonly Shot[]
  readonly houses: readonly House[]
  readonly after: readonly Shot[]
}> {
  const server = await redisServer(scope, ['--enable-debug-command', 'yes'])
  const backend = await modernServer(scope)
  const settings = {
    limits: [{ name: 'ten', key: [], rate: '10/1h' }],
    // Long enough for a busy machine, and short enough for the test.
    store: { url: server.url, onStoreFailure, timeout: '500ms' },
  }
  const houses = await housesOf(scope, { b: backend }, settings, 2)
  const isShared = (count: number) => (house: House) => {
    const status = house.gateway.storeStatus
    return status.kind === 'shared' && status.state === 'up' && status.replicas === count
  }
  await eventually('both know of each other', () => houses.every(isShared(2)))
  const loaded = load(
    houses.map(({ raw }) => raw),
    2,
  )
  await eventually('the limit is reached', () => loaded.shots.some(({ status }) => status === 429))
  const end = await trouble(server)
  await eventually('both have noticed', () => houses.every(away))
  const from = loaded.shots.length
  await eventually('calls are answered meanwhile', () => loaded.shots.length > from + 30)
  const during = loaded.shots.slice(from)
  await end()
  await eventually('it is used again', () => !houses.some(away))
  const back = loaded.shots.length
  await eventually('calls are answered again', () => loaded.shots.length > back + 20)
  const shots = await loaded.stop()
  // Nobody waited longer than one command may take, by a wide margin, and nothing broke.
  for (const { sent, answered } of shots) assert.ok(answered - sent < 5000)
  return { during, houses, after: shots.slice(back) }
}

const count = (shots: readonly Shot[], status: number): number =>
  shots.filter((shot) => shot.status === status).length

for (const [name, trouble] of Object.entries(TROUBLES)) {
  describe(`when the server of the store ${name}`, { skip: withoutRedis }, () => {
    test('each gateway admits its share, by default', async (t) => {
      const { during, houses } = await underTrouble(t, trouble, 'local')
      // Ten for two: each has five more, from the first moment on.
      assert.ok(count(during, 200) <= 10)
      assert.ok(count(during, 429) > 0)
      assert.equal(count(during, 200) + count(during, 429), during.length)
      for (const { log } of houses) {
        const line = await log.until(({ message }) => message === 'the store does not answer')
        assert.equal(line.fields['onStoreFailure'], 'local')
        assert.doesNotMatch(JSON.stringify(log.entries), /redis:|127\.0\.0\.1/)
        await log.until(({ message }) => /the store is back/.test(message))
      }
    })

    test('calls pass uncounted, where that is wanted', async (t) => {
      const { during } = await underTrouble(t, trouble, 'allow')
      assert.equal(count(during, 200), during.length)
    })

    test('calls are refused, where that is wanted', async (t) => {
      const { during, after } = await underTrouble(t, trouble, 'deny')
      assert.equal(count(during, 503), during.length)
      assert.ok(count(after.slice(4), 503) === 0)
    })
  })
}

suite('a gateway whose store never answered', { skip: withoutRedis }, () => {
  test('serves nevertheless, and uses it once it is there', async (t) => {
    const server = await redisServer(t)
    await server.kill()
    const backend = await modernServer(t)
    const settings = { limits: [{ name: 'two', rate: '2/1h' }], store: { url: server.url, timeout: '5s' } }
    const [house] = await housesOf(t, { b: backend }, settings, 1)
    assert.ok(house !== undefined)
    assert.deepEqual([await call(house.raw), await call(house.raw), await call(house.raw)], [200, 200, 429])
    await server.start()
    await eventually('it is used', () => !away(house))
    assert.deepEqual([await call(house.raw), await call(house.raw), await call(house.raw)], [200, 200, 429])
  })

  test('says nothing of its password', async (t) => {
    const server = await redisServer(t, ['--requirepass', 'hunter2'])
    const backend = await modernServer(t)
    const urlWith = (password: string): string => server.url.replace('//', `//:${password}@`)
    const limits = [{ name: 'one', rate: '1/1h' }]
    for (const password of ['hunter2', 'hunter3']) {
      const [house] = await housesOf(
        t,
        { b: backend },
        { limits, store: { url: urlWith(password), timeout: '5s' } },
        1,
      )
      assert.ok(house !== undefined)
      assert.equal(await call(house.raw), 200)
      assert.equal(away(house), password === 'hunter3')
      assert.doesNotMatch(JSON.stringify([house.log.entries, house.gateway.storeStatus]), /hunter/)
    }
  })
})
