/** Backends of several endpoints, over real processes and sockets. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type EndpointProcess, endpointProcess } from './language/endpoint.ts'
import { front } from './language/front.ts'
import { type House, gateway } from './language/house.ts'
import { legacyServer, modernServer } from './language/http-backend.ts'
import { eventually } from './language/journal.ts'
import type { RawAnswer } from './language/raw.ts'
import { type Scope, scopeOf } from './language/scope.ts'
import { INTERACTIVE } from './language/stage.ts'

/** Checks that follow each other fast, so that a test need not wait for them. */
const HEALTH = { interval: '100ms', timeout: '1s', unhealthy: 2, healthy: 1 }

async function house(scope: Scope, backend: object): Promise<House> {
  const built = await gateway({
    backends: { many: { settings: { health: HEALTH, slowStart: '0s', ...backend } } },
  })
  scope.after(async () => built.close())
  return built
}

/** Who answered a call, or the code of the error. */
function who({ response }: RawAnswer): string {
  if (response.error !== undefined) return String(response.error.data?.['code'])
  const [part] = (response.result?.['content'] ?? []) as readonly { readonly text: string }[]
  return part?.text.split(':')[0] ?? ''
}

const echo = async ({ raw }: House): Promise<RawAnswer> =>
  raw.modern('tools/call', { name: 'many_echo', arguments: {} })

/** Calls so many times, some at a time, and yields who answered. */
async function burst(one: House, count: number): Promise<readonly RawAnswer[]> {
  const answers: RawAnswer[] = []
  const worker = async (): Promise<void> => {
    while (answers.length < count) answers.push(await echo(one))
  }
  await Promise.all([worker(), worker(), worker(), worker()])
  return answers
}

const labels = (answers: readonly RawAnswer[]): readonly string[] => [...new Set(answers.map(who))].toSorted()

function healthOf(one: House): readonly string[] {
  return one.gateway.report()[0]?.endpoints?.map(({ health }) => health.status) ?? []
}

const processes = async (scope: Scope): Promise<readonly EndpointProcess[]> =>
  Promise.all(['a', 'b', 'c'].map(async (label) => endpointProcess(scope, 'modern', label)))

test('an endpoint that is killed and comes back is noticed by nobody but those whose call it had', async (t) => {
  const endpoints = await processes(scopeOf(t))
  const [first] = endpoints
  const one = await house(scopeOf(t), { url: endpoints.map(({ url }) => url) })
  await eventually('all are healthy', () => healthOf(one).every((status) => status === 'healthy'))
  assert.deepEqual(labels(await burst(one, 60)), ['a', 'b', 'c'])

  // Killed in the middle of the traffic.
  const traffic = burst(one, 300)
  await eventually('the traffic flows', () => one.gateway.meter.total > 100)
  await first?.kill()
  const lost = (await traffic).filter(({ response }) => response.error !== undefined)
  assert.ok(lost.length <= 4, `${lost.length} lost, of at most 4 that it had`)
  for (const { response } of lost) {
    assert.equal(response.error?.data?.['code'], 'BACKEND_UNAVAILABLE')
    assert.equal(response.error.data['outcome'], 'unknown', 'only what was sent may be lost')
  }
  assert.deepEqual(labels(await burst(one, 60)), ['b', 'c'])
  assert.equal((await one.raw.modern('tools/list')).response.result?.ttlMs !== undefined, true)
  const { health } = one.gateway.report()[0] ?? {}
  assert.equal(health?.status, 'degraded')
  assert.match(health.reason ?? '', /^1 of 3 endpoints are out of rotation: /)

  await first?.start()
  await eventually('it is used again', async () => who(await echo(one)) === 'a')
  await eventually('all are healthy again', () => one.gateway.report()[0]?.health.status === 'healthy')
})

test('an endpoint that hangs gets no more calls once checks have found it out, and comes back', async (t) => {
  const endpoints = await processes(scopeOf(t))
  const [first] = endpoints
  const one = await house(scopeOf(t), { url: endpoints.map(({ url }) => url), timeout: '2s' })
  await eventually('all are healthy', () => healthOf(one).every((status) => status === 'healthy'))
  first?.freeze()
  await eventually('it is found out', () => healthOf(one)[0] === 'unreachable')
  const answers = await burst(one, 60)
  assert.deepEqual(labels(answers), ['b', 'c'])
  first?.thaw()
  await eventually('it is used again', async () => who(await echo(one)) === 'a')
})

test('where every endpoint is dead the error says so, and one that comes back is enough', async (t) => {
  const endpoints = await processes(scopeOf(t))
  const one = await house(scopeOf(t), { url: endpoints.map(({ url }) => url) })
  await Promise.all(endpoints.map(async (endpoint) => endpoint.kill()))
  await eventually('nobody answers', async () => who(await echo(one)) === 'BACKEND_UNAVAILABLE')
  await eventually('that is known', () => one.gateway.report()[0]?.health.status === 'unreachable')
  assert.equal(who(await echo(one)), 'BACKEND_UNAVAILABLE')
  await endpoints[1]?.start()
  await eventually('it serves', async () => who(await echo(one)) === 'b')
})

test('an endpoint that answers its checks and fails its calls is ejected, comes back, and is ejected for longer', async (t) => {
  const good = await modernServer(scopeOf(t), { label: 'good' })
  const bad = await brokenTool(scopeOf(t), good.url)
  const one = await house(scopeOf(t), {
    url: [good.url, bad.url],
    ejection: { failures: 2, time: '150ms', maxTime: '1m' },
  })
  await eventually('both are healthy', () => healthOf(one).every((status) => status === 'healthy'))
  const isEjected = ({ message }: { readonly message: string }): boolean => message === 'endpoint is ejected'
  await eventually('it is ejected', async () => {
    await echo(one)
    return one.log.count(isEjected) > 0
  })
  const report = one.gateway.report()[0]
  assert.equal(report?.health.status, 'degraded')
  assert.deepEqual(
    report.endpoints?.map(({ ejectedUntil }) => ejectedUntil !== undefined),
    [false, true],
  )
  await eventually('it is tried again and ejected for longer', async () => {
    await echo(one)
    return one.log.count(isEjected) > 1
  })
  const times = one.log.entries.filter(isEjected).map(({ fields }) => fields['ms'])
  assert.deepEqual(times.slice(0, 2), [150, 300])
  bad.mend()
  await eventually('it serves again', async () => {
    await echo(one)
    return bad.served() > 0
  })
})

test('the session of a client stays at its endpoint, and moves when that dies', async (t) => {
  const endpoints = await Promise.all(
    ['a', 'b', 'c'].map(async (label) => endpointProcess(scopeOf(t), 'legacy', label)),
  )
  const one = await house(scopeOf(t), { url: endpoints.map(({ url }) => url), isolation: 'session' })
  await eventually('all are healthy', () => healthOf(one).every((status) => status === 'healthy'))
  const clients = await Promise.all(
    Array.from({ length: 8 }, async () => one.client('v1', { elicit: async () => ({ action: 'cancel' }) })),
  )
  const homes = await Promise.all(
    clients.map(async (client) => {
      const seen = new Set<string>()
      for (let call = 0; call < 6; call++) seen.add((await client.call('many_echo')).text.split(':')[0] ?? '')
      assert.equal(seen.size, 1, [...seen].join())
      return [...seen][0]
    }),
  )
  assert.ok(new Set(homes).size > 1, 'clients are spread')
  await endpoints.find(({ label }) => label === homes[0])?.kill()
  const after = new Set<string>()
  for (let call = 0; call < 5; call++)
    after.add((await (clients[0]?.call('many_echo') ?? assert.fail())).text.split(':')[0] ?? '')
  assert.equal(after.size, 1)
  assert.ok(!after.has(homes[0] ?? ''))
})

test('a call that asks for input goes on at the endpoint that asked', async (t) => {
  const endpoints = await Promise.all(
    ['a', 'b', 'c'].map(async (label) => modernServer(scopeOf(t), { label, tools: INTERACTIVE })),
  )
  const one = await house(scopeOf(t), { url: endpoints.map(({ url }) => url) })
  const client = await one.client('modern', {
    elicit: async () => ({ action: 'accept', content: { name: 'x' } }),
  })
  for (let call = 0; call < 12; call++) await client.call('many_ask', { who: `number ${call}` })
  for (const { journal } of endpoints) {
    const asked = journal.entries.filter((saw) => saw.kind === 'call').map(({ args }) => String(args['who']))
    const answered = journal.entries
      .filter((saw) => saw.kind === 'answered')
      .map(({ args }) => String(args['who']))
    assert.deepEqual([...new Set(asked)].toSorted(), [...new Set(answered)].toSorted())
  }
  assert.ok(endpoints.filter(({ journal }) => journal.count((saw) => saw.kind === 'answered') > 0).length > 1)
})

test('endpoints of both eras stand side by side', async (t) => {
  const modern = await modernServer(scopeOf(t), { label: 'modern' })
  const legacy = await legacyServer(scopeOf(t), { label: 'legacy' })
  const one = await house(scopeOf(t), {
    endpoints: [{ url: modern.url }, { url: legacy.url, weight: 3 }],
    balance: 'weighted',
  })
  await eventually('both are healthy', () => healthOf(one).every((status) => status === 'healthy'))
  const answers = (await burst(one, 200)).map(who)
  const share = answers.filter((label) => label === 'legacy').length / answers.length
  assert.ok(share > 0.6 && share < 0.9, String(share))
})

test('what any endpoint announces reaches who listens', async (t) => {
  const endpoints = await Promise.all(['a', 'b'].map(async (label) => modernServer(scopeOf(t), { label })))
  const one = await house(scopeOf(t), { url: endpoints.map(({ url }) => url) })
  await eventually('both are healthy', () => healthOf(one).every((status) => status === 'healthy'))
  for (const endpoint of endpoints) {
    const tools = [...endpoint.journal.entries, 1].map((_, index) => ({
      name: `new${index}`,
      does: 'echo' as const,
    }))
    await Promise.all(endpoints.map(async (each) => each.setTools(tools)))
    await eventually('the new list is there', async () => {
      const { response } = await one.raw.modern('tools/list')
      return response.result?.tools?.length === tools.length
    })
  }
})

/** A copy of a modern server that fails every call of a tool until it is mended. */
async function brokenTool(
  scope: Scope,
  origin: string,
): Promise<{ readonly url: string; mend(): void; served(): number }> {
  let isBroken = true
  let served = 0
  const url = await front(scope, origin, ({ response, body }) => {
    if (!body.includes('"tools/call"')) return false
    if (isBroken) response.writeHead(500).end()
    else served++
    return isBroken
  })
  return { url, mend: () => void (isBroken = false), served: () => served }
}
