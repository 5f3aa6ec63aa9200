// What a list says about time: how long it holds, who is away, and what has changed since.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type FakeClock, createFakeClock } from './support/fake-clock.ts'
import { type House, gateway } from './language/house.ts'
import { legacyServer, modernServer, v1Server } from './language/http-backend.ts'
import { eventually } from './language/journal.ts'
import type { RpcResult } from './language/raw.ts'
import type { Configured, Scope } from './language/scope.ts'
import { EVERY_BEHAVIOUR, type Sighting } from './language/stage.ts'
import { stdioServer } from './language/stdio-backend.ts'

const list = async (house: House, route?: string): Promise<RpcResult> => {
  const { status, response } = await house.raw.modern('tools/list', {}, route === undefined ? {} : { route })
  assert.equal(status, 200)
  assert.ok(response.result, JSON.stringify(response))
  return response.result
}
const names = ({ tools = [] }: RpcResult): readonly string[] => tools.map(({ name }) => name)
const away = ({ _meta }: RpcResult): Readonly<Record<string, unknown>> | undefined =>
  _meta?.['io.toolgate/backends']
const isList = ({ kind }: Sighting): boolean => kind === 'list'
const four = (name: string): readonly string[] => EVERY_BEHAVIOUR.map((tool) => `${name}_${tool.name}`)

suite('ttlMs and cacheScope', () => {
  test('are the shortest life and the narrowest scope of what the list is made of', async (t) => {
    const clock = createFakeClock()
    const long = await modernServer(t, { label: 'long', ttlMs: 60_000, cacheScope: 'public' })
    const short = await modernServer(t, { label: 'short', ttlMs: 5000, cacheScope: 'public' })
    const own = await modernServer(t, { label: 'own', ttlMs: 90_000, cacheScope: 'private' })
    await using house = await gateway({ backends: { long, short }, clock })
    assert.deepEqual(hints(await list(house)), [5000, 'public'])
    assert.deepEqual(hints(await list(house, 'long')), [60_000, 'public'])
    await clock.advance(2000)
    assert.deepEqual(hints(await list(house)), [3000, 'public'])

    // Within its life a list is not asked for again; after it, only what has run out is.
    assert.deepEqual(
      [long, short].map(({ journal }) => journal.count(isList)),
      [1, 1],
    )
    await clock.advance(3001)
    assert.deepEqual(hints(await list(house)), [5000, 'public'])
    assert.deepEqual(
      [long, short].map(({ journal }) => journal.count(isList)),
      [1, 2],
    )

    await using mixed = await gateway({ backends: { long, own }, clock })
    assert.deepEqual(hints(await list(mixed)), [60_000, 'private'])
  })

  test('of a backend that gives none make the list good for this moment and this client only', async (t) => {
    const long = await modernServer(t, { label: 'long', ttlMs: 60_000, cacheScope: 'public' })
    const old = await v1Server(t)
    await using house = await gateway({ backends: { long, old } })
    assert.deepEqual(hints(await list(house)), [0, 'private'])
  })

  const hints = ({ ttlMs, cacheScope }: RpcResult): readonly unknown[] => [ttlMs, cacheScope]
})

suite('a backend that announces a change of its tools', () => {
  const hour = { ttlMs: 3_600_000, cacheScope: 'public' } as const
  const kinds = {
    'modern over HTTP, on its subscription': async (t: Scope) => modernServer(t, hour),
    'modern over stdio': async (t: Scope) => stdioServer(t, 'modern', hour),
    'legacy over HTTP, on its GET stream': async (t: Scope) => legacyServer(t),
    'first SDK over HTTP, on its GET stream': async (t: Scope) => v1Server(t),
    'legacy over stdio': async (t: Scope) => stdioServer(t, 'legacy'),
  }
  for (const [kind, serve] of Object.entries(kinds)) {
    test(`is listed with its new tools: ${kind}`, async (t) => {
      const backend = await serve(t)
      await using house = await gateway({ backends: { backend } })
      assert.deepEqual(names(await list(house)), four('backend'))
      if (kind.includes('GET'))
        await backend.journal.until((entry) => entry.kind === 'request' && entry.verb === 'GET')
      const tools = [...EVERY_BEHAVIOUR.slice(1), { name: 'brand-new', does: 'echo' as const }]
      await eventually('the new list is shown', async () => {
        // Announced until it is heard: nobody sees when the gateway has begun to listen.
        await backend.setTools(tools)
        return names(await list(house)).includes('backend_brand-new')
      })
      assert.deepEqual(
        names(await list(house)),
        tools.map(({ name }) => `backend_${name}`),
      )
      const gone = await house.raw.modern('tools/call', { name: 'backend_echo', arguments: {} })
      assert.match(gone.response.error?.message ?? '', /^Unknown tool: backend_echo/)
      const found = await house.raw.modern('tools/call', { name: 'backend_brand-new', arguments: {} })
      assert.equal(found.response.error, undefined)
    })
  }

  test('is not asked again while it says nothing', async (t) => {
    const backend = await modernServer(t, hour)
    await using house = await gateway({ backends: { backend } })
    for (let time = 0; time < 5; time++) await list(house)
    assert.equal(backend.journal.count(isList), 1)
  })
})

/** Lets time pass until the backend is up again. */
const recovered = async (house: House, clock: FakeClock, name: string): Promise<void> =>
  eventually(`${name} is up again`, async () => {
    await clock.advance(1000)
    return house.gateway.report().find((one) => one.name === name)?.condition.state === 'up'
  })

suite('a backend that is away', () => {
  const servers = { modern: modernServer, legacy: legacyServer, v1: v1Server }
  for (const [kind, serve] of Object.entries(servers)) {
    test(`from the start is named, does not spoil the list, and joins it when it comes (${kind})`, async (t) => {
      const clock = createFakeClock()
      const here = await modernServer(t, { ttlMs: 60_000, cacheScope: 'public' })
      const late = await serve(t)
      await late.stop()
      await using house = await gateway({ backends: { late, here }, clock })
      const without = await list(house)
      assert.deepEqual(names(without), four('here'))
      assert.equal(without.ttlMs, 0)
      assert.deepEqual(away(without), { late: { listed: 'omitted', reason: reasonOf(without, 'late') } })
      assert.match(reasonOf(without, 'late'), /refused/)
      assert.doesNotMatch(JSON.stringify(without), /127\.0\.0\.1/, 'no internal address')
      assert.deepEqual(names(await list(house, 'late')), [])

      await late.start()
      await recovered(house, clock, 'late')
      const together = await list(house)
      assert.deepEqual(names(together), [...four('late'), ...four('here')])
      assert.equal(away(together), undefined)
    })

    test(`later is listed as it was for staleFor, then omitted, and comes back by itself (${kind})`, async (t) => {
      const clock = createFakeClock()
      const here = await modernServer(t, { ttlMs: 60_000, cacheScope: 'public' })
      const dying = await serve(t)
      // Retries would pause, and the clock stands still.
      const mortal = { settings: { ...dying.settings, retry: 'off' } }
      const backends = { dying: mortal, here }
      await using house = await gateway({ backends, gateway: { staleFor: '5m' }, clock })
      await list(house)
      await dying.stop()

      const stale = await list(house)
      assert.deepEqual(names(stale), [...four('dying'), ...four('here')])
      assert.equal(stale.ttlMs, 0)
      assert.deepEqual(away(stale), { dying: { listed: 'stale', reason: reasonOf(stale, 'dying') } })
      const call = await house.raw.modern('tools/call', { name: 'dying_echo', arguments: {} })
      assert.equal(call.response.error?.data?.['code'], 'BACKEND_UNAVAILABLE')
      assert.equal(call.response.error?.data?.['backend'], 'dying')

      await clock.advance(5 * 60_000 + 1)
      const omitted = await list(house)
      assert.deepEqual(names(omitted), four('here'))
      assert.deepEqual(away(omitted), { dying: { listed: 'omitted', reason: reasonOf(omitted, 'dying') } })

      await dying.start()
      await recovered(house, clock, 'dying')
      const back = await list(house)
      assert.deepEqual(names(back), [...four('dying'), ...four('here')])
      assert.equal(away(back), undefined)
      const again = await house.raw.modern('tools/call', { name: 'dying_echo', arguments: {} })
      assert.equal(again.response.error, undefined)
    })
  }

  test('because its process was killed is started again and listed again', async (t) => {
    // Processes end in real time, so the clock is the real one.
    const here = await modernServer(t)
    const piped = await stdioServer(t, 'legacy')
    await using house = await gateway({ backends: { piped, here } })
    const [pid] = piped.running()
    assert.ok(pid !== undefined)
    process.kill(pid, 'SIGKILL')
    const down = await house.log.until(({ message }) => message === 'backend is down')
    assert.match(String(down.fields['reason']), /SIGKILL/)
    await eventually('it is up again', () => house.gateway.report()[0]?.condition.state === 'up')
    const [report] = house.gateway.report()
    assert.equal(report?.restarts, 1)
    assert.notEqual(piped.running()[0], pid)
    assert.deepEqual(names(await list(house)), [...four('piped'), ...four('here')])
    assert.equal(away(await list(house)), undefined)
  })

  const reasonOf = (result: RpcResult, backend: string): string => {
    const one = away(result)?.[backend] as { readonly reason: string } | undefined
    return one?.reason ?? ''
  }
})

test('a backend that does not answer delays the list to the deadline and no longer', async (t) => {
  const clock = createFakeClock()
  const here = await modernServer(t)
  const slow = await modernServer(t, { label: 'slow' })
  slow.holdLists()
  const backends: Record<string, Configured> = { here, slow }
  await using house = await gateway({ backends, gateway: { listDeadline: '700ms' }, clock, ready: false })
  let settled = false
  const answer = list(house).finally(() => {
    settled = true
  })
  await slow.journal.until(isList)
  await here.journal.until(isList)
  await clock.advance(699)
  // Whatever the gateway was going to answer would be here before the answer to this later request.
  assert.equal((await fetch(house.url.replace(/mcp$/, 'healthz'))).status, 200)
  assert.equal(settled, false, 'the list waits for a slow backend as long as it may')
  await clock.advance(1)
  const without = await answer
  assert.deepEqual(names(without), four('here'))
  assert.equal(without.ttlMs, 0)
  assert.deepEqual(away(without), { slow: { listed: 'omitted', reason: 'has not answered yet' } })
  assert.deepEqual(
    names(await list(house, 'here')),
    EVERY_BEHAVIOUR.map(({ name }) => name),
  )

  // Calls to others are not delayed at all: the clock stands still.
  const call = await house.raw.modern('tools/call', { name: 'here_echo', arguments: {} })
  assert.equal(call.response.error, undefined)

  slow.release()
  await eventually('the slow backend is listed', async () => names(await list(house)).includes('slow_echo'))
  assert.equal(away(await list(house)), undefined)
})
