import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Signal } from '../../pipeline/signal.ts'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import {
  type ScriptedBackend,
  callOf,
  collect,
  identity,
  listOf,
  request,
  result,
  scriptedBackend,
  someone,
  tool,
  untilAborted,
} from '../../../test/support/scripted.ts'
import type { Isolation } from '../../config/types.ts'
import { GatewayError } from '../../errors.ts'
import { silentLog } from '../../pipeline/log.ts'
import type { RequestMessage } from '../../protocol/message.ts'
import { CHANGING_LISTS, NOTHING } from '../../protocol/subscription.ts'
import type { Backend, BackendRequest } from '../backend.ts'
import { ChannelError, type ChannelFailure } from '../channel.ts'
import { asGatewayError } from '../failure.ts'
import type { Fitness } from './balancer.ts'
import { type Endpoint, createBalancedBackend } from './backend.ts'

/** An endpoint that does what the test says. */
type ScriptedEndpoint = ScriptedBackend & { fitness: Fitness; isLegacy: boolean } & Endpoint

interface House {
  readonly backend: Backend
  readonly endpoints: readonly ScriptedEndpoint[]
  readonly clock: ReturnType<typeof createFakeClock>
  /** Sends a request, and yields the indices of the endpoints that got it. */
  readonly send: (over?: Partial<BackendRequest>) => Promise<readonly number[]>
}

function house(count: number, over: { readonly isolation?: Isolation; readonly seed?: number } = {}): House {
  const clock = createFakeClock()
  let drawn = over.seed ?? 7
  const random = (): number => {
    drawn = (Math.imul(drawn, 1_103_515_245) + 12_345) >>> 0
    return drawn / 2 ** 32
  }
  const endpoints = Array.from({ length: count }, (): ScriptedEndpoint => {
    const scripted = scriptedBackend('a')
    scripted.statusNow = { condition: { state: 'up' }, health: { status: 'healthy', since: 0 } }
    return Object.assign(scripted, { fitness: 'fit' as const, isLegacy: false })
  })
  const list = endpoints.map((_, index) => ({
    url: `http://127.0.0.1:${index + 1}/mcp?key=secret`,
    weight: 1,
  }))
  const ejection = { failures: 3, time: 1000, maxTime: 5000, share: 0.5 }
  const backend = createBalancedBackend(
    {
      name: 'a',
      isolation: over.isolation ?? 'principal',
      endpoints: { list, balance: 'least-loaded', ejection, slowStart: 0 },
    },
    endpoints,
    { clock, random, log: silentLog },
  )
  return {
    backend,
    endpoints,
    clock,
    async send(request = {}) {
      const before = endpoints.map(({ sent }) => sent.length)
      await backend.send({ ...requestOf(), ...request }, collect())
      return endpoints.flatMap(({ sent }, index) => sent.slice(before[index]).map(() => index))
    },
  }
}

function requestOf(message: RequestMessage = request('tools/call', { name: 'x' })): BackendRequest {
  const { principal, downstream, signal } = callOf(message)
  const target = { kind: 'one', backend: 'a', name: 'x', paramHeaders: [] } as const
  return { message, target, exposedName: 'a_x', principal, downstream, headers: undefined, signal }
}

const failing = (failure: ChannelFailure) => async (): Promise<never> => {
  throw asGatewayError(new ChannelError(failure), 'a')
}
const UNREACHABLE = { kind: 'unreachable', reason: 'connection refused' } as const
const BROKEN = { kind: 'broken', reason: 'connection lost' } as const

test('what never reached an endpoint goes to another one, to each at most once', async () => {
  const { endpoints, send, backend } = house(3)
  for (const endpoint of endpoints.slice(0, 2)) endpoint.onSend = failing(UNREACHABLE)
  for (let call = 0; call < 20; call++) {
    const reached = await send()
    assert.equal(new Set(reached).size, reached.length)
    assert.ok(reached.includes(2))
  }
  endpoints.forEach((endpoint) => (endpoint.onSend = failing(UNREACHABLE)))
  const before = endpoints.map(({ sent }) => sent.length)
  await assert.rejects(backend.send(requestOf(), collect()), { code: 'BACKEND_UNAVAILABLE' })
  assert.deepEqual(
    endpoints.map(({ sent }, index) => sent.length - (before[index] ?? 0)),
    [1, 1, 1],
  )
})

test('what may have been carried out is not sent again', async () => {
  const { endpoints, backend } = house(2)
  for (const failure of [
    BROKEN,
    { kind: 'status', status: 503, body: '' },
    { kind: 'protocol', reason: 'x' },
  ] as const) {
    endpoints.forEach((endpoint) => (endpoint.onSend = failing(failure)))
    const before = endpoints.reduce((sum, { sent }) => sum + sent.length, 0)
    await assert.rejects(backend.send(requestOf(), collect()), GatewayError)
    assert.equal(endpoints.reduce((sum, { sent }) => sum + sent.length, 0) - before, 1)
  }
})

test('who sends a request again after a failure gets another endpoint', async () => {
  for (let call = 0; call < 10; call++) {
    const { endpoints, backend } = house(3, { seed: call * 1_000_003 })
    const message = request('tools/call', { name: 'x' })
    const order: number[] = []
    endpoints.forEach((endpoint, index) => {
      endpoint.onSend = () => {
        order.push(index)
        return order.length < 3 ? failing(BROKEN)() : Promise.resolve(result({}))
      }
    })
    for (let attempt = 0; attempt < 2; attempt++)
      await assert.rejects(backend.send(requestOf(message), collect()))
    await backend.send(requestOf(message), collect())
    assert.equal(new Set(order).size, 3, order.join())
  }
})

test('a cancelled request goes nowhere else', async () => {
  const { endpoints, backend } = house(3)
  const controller = new AbortController()
  const reason = new GatewayError('CANCELLED', 'gone')
  endpoints.forEach((endpoint) => {
    endpoint.onSend = () => {
      controller.abort(reason)
      return failing(UNREACHABLE)()
    }
  })
  await assert.rejects(backend.send({ ...requestOf(), signal: controller.signal }, collect()), reason)
  assert.equal(
    endpoints.reduce((sum, { sent }) => sum + sent.length, 0),
    1,
  )
})

test('failures of an endpoint eject it; what clients cancel, and credentials that are refused, do not', async () => {
  const { endpoints, backend } = house(2)
  const [first, second] = endpoints
  const outOfRotation = (): readonly boolean[] | undefined =>
    backend.status().endpoints?.map(({ ejectedUntil }) => ejectedUntil !== undefined)
  for (const endpoint of endpoints)
    endpoint.onSend = () => Promise.reject(new GatewayError('CANCELLED', 'the client left'))
  for (let call = 0; call < 20; call++) await assert.rejects(backend.send(requestOf(), collect()))
  for (const endpoint of endpoints) endpoint.onSend = failing({ kind: 'status', status: 401, body: '' })
  for (let call = 0; call < 20; call++) await assert.rejects(backend.send(requestOf(), collect()))
  assert.deepEqual(outOfRotation(), [false, false])
  if (first !== undefined) first.onSend = failing(BROKEN)
  if (second !== undefined) second.onSend = () => Promise.resolve(result({ isError: true }))
  for (let call = 0; call < 30; call++) await backend.send(requestOf(), collect()).catch(() => undefined)
  assert.deepEqual(outOfRotation(), [true, false])
})

test('where nobody is connected all are, and whoever is first serves', async () => {
  const { endpoints, send, backend } = house(3)
  endpoints.forEach((endpoint, index) => {
    endpoint.fitness = 'away'
    endpoint.onIdentify = () => {
      if (index !== 1) return failing(UNREACHABLE)()
      endpoint.fitness = 'fit'
      return Promise.resolve(identity())
    }
  })
  assert.deepEqual(await send(), [1])
  endpoints.forEach((endpoint) => {
    endpoint.fitness = 'away'
    endpoint.onIdentify = failing(UNREACHABLE)
  })
  await assert.rejects(backend.send(requestOf(), collect()), { code: 'BACKEND_UNAVAILABLE' })
})

test('waiting calls, tasks and the sessions of legacy endpoints stay where they are known, while that is good', async () => {
  const { endpoints, send } = house(4)
  const retry = request('tools/call', { name: 'x', requestState: 'opaque', inputResponses: {} })
  const task = request('tasks/get', { taskId: 'sealed' })
  const target = { kind: 'one', backend: 'a', name: 'task-1', paramHeaders: [] } as const
  endpoints.forEach((endpoint) => {
    endpoint.onSend = () => Promise.resolve(result({ resultType: 'input_required', requestState: 'opaque' }))
  })
  const [asked] = await send()
  endpoints.forEach((endpoint) => {
    endpoint.onSend = () => Promise.resolve(result({ resultType: 'task', taskId: 'task-1' }))
  })
  const [begun] = await send()
  endpoints.forEach((endpoint) => (endpoint.onSend = () => Promise.resolve(result({}))))
  for (let call = 0; call < 10; call++) {
    assert.deepEqual(await send({ message: retry }), [asked])
    assert.deepEqual(await send({ message: task, target }), [begun])
  }
  const home = endpoints[asked ?? 0]
  if (home !== undefined) home.fitness = 'sick'
  assert.notDeepEqual(await send({ message: retry }), [asked])
})

test('the owner of a session stays at a legacy endpoint; others are spread, and so is everybody where all share one', async () => {
  for (const [isolation, spread] of [
    ['principal', false],
    ['shared', true],
  ] as const) {
    const { endpoints, send } = house(4, { isolation })
    endpoints.forEach((endpoint) => (endpoint.isLegacy = true))
    const seen = new Set<number | undefined>()
    for (let call = 0; call < 20; call++) seen.add((await send({ principal: someone('me') }))[0])
    assert.equal(seen.size > 1, spread, isolation)
  }
  const { endpoints, send } = house(4)
  endpoints.forEach((endpoint) => (endpoint.isLegacy = true))
  const seen = new Set<number | undefined>()
  for (let call = 0; call < 20; call++) seen.add((await send())[0])
  assert.ok(seen.size > 1, 'strangers')
})

test('a list comes from whoever has it first; one that hangs is not waited for', async () => {
  const { endpoints, backend, clock } = house(3)
  const [first, second] = endpoints
  if (first === undefined || second === undefined) return
  let given: Signal | undefined
  first.onList = (_kind, signal) => untilAborted((given = signal))
  second.onList = () => Promise.resolve(listOf([tool('second')]))
  const listing = backend.list('tools', new AbortController().signal)
  await clock.advance(499)
  assert.equal(second.listed.length, 0)
  await clock.advance(1)
  assert.match((await listing).entries[0] ?? '', /second/)
  assert.ok(given?.aborted, 'who is late is given up')
  assert.equal(clock.pending, 0)
  first.onList = failing(BROKEN)
  await backend.list('tools', new AbortController().signal)
  endpoints.forEach((endpoint) => (endpoint.onList = failing(BROKEN)))
  await assert.rejects(backend.list('tools', new AbortController().signal), { code: 'BACKEND_UNAVAILABLE' })
})

test('the status is that of all together, and shows no secret of a URL', () => {
  const { endpoints, backend } = house(3)
  assert.equal(backend.status().health.status, 'healthy')
  const [first] = endpoints
  if (first === undefined) return
  first.statusNow = {
    condition: { state: 'down', reason: 'connection refused' },
    health: { status: 'unreachable', since: 5, reason: 'connection refused' },
  }
  const { health, condition, endpoints: each } = backend.status()
  assert.deepEqual(condition, { state: 'up' })
  assert.deepEqual(
    [health.status, health.reason, health.since],
    ['degraded', '1 of 3 endpoints are out of rotation: connection refused', 5],
  )
  assert.deepEqual(each?.map(({ url }) => url)[0], 'http://127.0.0.1:1/mcp')
  endpoints.forEach((endpoint) => (endpoint.statusNow = first.statusNow))
  const dead = backend.status()
  assert.deepEqual([dead.health.status, dead.condition.state], ['unreachable', 'down'])
})

test('a subscription waits for those who are there, and honours what any of them does', async () => {
  const { endpoints, backend } = house(3)
  const [first, second, third] = endpoints
  if (first === undefined || second === undefined || third === undefined) return
  third.statusNow = { condition: { state: 'down', reason: 'gone' } }
  third.honours = () => new Promise(() => undefined)
  first.honours = () => Promise.resolve(NOTHING)
  const heard: string[] = []
  const filter = { lists: CHANGING_LISTS, resources: [], tasks: [] }
  const subscription = backend.subscribe(filter, {
    context: 'x',
    onChange: (change) => heard.push(change.kind),
  })
  assert.deepEqual((await subscription.honoured).lists, CHANGING_LISTS)
  for (const endpoint of endpoints) endpoint.announce('tools')
  assert.deepEqual(heard, ['list', 'list', 'list'])
  subscription.close()
  assert.deepEqual(
    endpoints.map(({ listeners }) => listeners),
    [0, 0, 0],
  )
})
