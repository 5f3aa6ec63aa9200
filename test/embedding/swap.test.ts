// What outlives a change of the configuration: places, turns, sessions, and what is under way.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '../../src/config/load.ts'
import { type HouseOptions, configText, gateway } from '../language/house.ts'
import { legacyServer, modernServer } from '../language/http-backend.ts'
import { scopeOf } from '../language/scope.ts'
import { INTERACTIVE } from '../language/stage.ts'
import { embedded } from './house.ts'

test('whoever waits for a turn gets it, and nobody gets a place that is taken', async (t) => {
  const scope = scopeOf(t)
  const [one, two] = [await modernServer(scope), await modernServer(scope)]
  const { gateway: house } = embedded(scope, {
    backends: { a: one.url },
    limits: [{ concurrency: 1, onExceed: 'queue', queue: { size: 5, wait: '10s' } }],
    gateway: { bulkhead: { calls: 2, queue: 0 } },
  })
  const first = house.call({ backend: 'a', tool: 'wait' })
  await one.journal.until(({ kind }) => kind === 'call')
  const second = house.call({ backend: 'a', tool: 'echo', arguments: { turn: 2 } })
  house.registerBackend('b', two.url)
  const third = house.call({ backend: 'b', tool: 'echo', arguments: { turn: 3 } })
  const early = await Promise.race([second, third, new Promise((resolve) => setImmediate(resolve, 'nobody'))])
  assert.equal(early, 'nobody')
  one.release()
  await Promise.all([first, second, third])
})

test('places of a principal are the same before and after', async (t) => {
  const scope = scopeOf(t)
  const [one, two] = [await modernServer(scope), await modernServer(scope)]
  const { gateway: house } = embedded(scope, {
    backends: { a: one.url },
    gateway: { bulkhead: { calls: 1, queue: 0 } },
  })
  const principal = { subject: 'ann' }
  const first = house.call({ backend: 'a', tool: 'wait', principal })
  await one.journal.until(({ kind }) => kind === 'call')
  house.registerBackend('b', two.url)
  await assert.rejects(house.call({ backend: 'b', tool: 'echo', principal }), { code: 'TOO_MANY' })
  one.release()
  await first
  await house.call({ backend: 'b', tool: 'echo', principal })
})

test('a legacy client keeps its session, and is asked by a backend that was there before', async (t) => {
  const scope = scopeOf(t)
  const [one, two] = [await legacyServer(scope, { tools: INTERACTIVE }), await modernServer(scope)]
  await using house = await gateway({ backends: { a: one } })
  const swapped = configOf({ backends: { a: one, b: two } })
  await using client = await house.client('v1', {
    elicit: async () => {
      await house.gateway.apply(swapped)
      return { action: 'accept', content: { name: 'Ann' } }
    },
  })
  assert.match((await client.call('a_ask', { who: 'ann' })).text, /ann: accept/)
  assert.equal((await client.call('b_echo')).text, 'modern: {}')
})

test('rules that change hold for the next call, and for lists', async (t) => {
  const scope = scopeOf(t)
  const one = await modernServer(scope)
  const rules = (...tools: readonly string[]): HouseOptions => ({
    backends: { a: one },
    more: { authorization: { rules: [{ effect: 'allow', tools }] } },
  })
  await using house = await gateway(rules('a_echo', 'a_fail'))
  await using client = await house.client('modern')
  await client.call('a_fail')
  await house.gateway.apply(configOf(rules('a_echo')))
  await using other = await house.client('modern')
  assert.deepEqual(
    (await other.tools()).map(({ name }) => name),
    ['a_echo'],
  )
  await assert.rejects(client.call('a_fail'), /UNKNOWN_TOOL|Unknown tool/)
})

function configOf(
  options: HouseOptions,
): Parameters<Awaited<ReturnType<typeof gateway>>['gateway']['apply']>[0] {
  const result = parseConfig({ name: 'test.yaml', text: configText(options), dir: '/' }, {})
  assert.ok(result.ok)
  return result.config
}
