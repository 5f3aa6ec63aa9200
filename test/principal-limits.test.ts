// What one principal may have open, whatever it does; others go on.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { createKey, readKey, storedHash } from '../src/auth/api-key.ts'
import { gateway } from './language/house.ts'
import type { House } from './language/house.ts'
import { modernServer } from './language/http-backend.ts'
import type { RawAnswer } from './language/raw.ts'
import { fileScope } from './language/scope.ts'
import { rawSubscription } from './language/subscription.ts'

type Headers = Readonly<Record<string, string>>

const scope = fileScope()
const keys = ['greedy', 'modest', 'curious'].map((name) => ({ name, key: createKey() }))
const [greedy = {}, modest = {}, curious = {}]: readonly Headers[] = keys.map(({ key }) => ({
  authorization: `Bearer ${key}`,
}))
let house: House

before(async () => {
  const backend = await modernServer(scope)
  const entries = keys.map(({ name, key }) => {
    const parts = readKey(key)
    assert.ok(parts)
    return { name, hash: storedHash(parts) }
  })
  house = await gateway({
    backends: { backend },
    gateway: { sse: true, limits: { sessionsPerPrincipal: 2, streams: 2 } },
    auth: { apiKeys: { keys: entries }, anonymous: true },
  })
  scope.after(async () => house.close())
})

const open = (headers: Headers): Promise<RawAnswer> => {
  const clientInfo = { name: 'raw', version: '1' }
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }
  return house.raw.post({ jsonrpc: '2.0', id: 1, method: 'initialize', params }, { headers })
}
const sessionOf = (answer: RawAnswer): Headers => ({
  'mcp-session-id': answer.headers.get('mcp-session-id') ?? assert.fail('there is no session'),
})
const refused = (answer: RawAnswer, message: RegExp): void => {
  assert.equal(answer.status, 503)
  assert.equal(answer.response.error?.data?.['code'], 'TOO_MANY')
  assert.match(answer.response.error.message, message)
}

test('sessions: as many as the limit, and another one for each that ends', async () => {
  const first = await open(greedy)
  const second = await open(greedy)
  assert.deepEqual([first.status, second.status], [200, 200])
  refused(await open(greedy), /^More than 2 sessions of this principal are open$/)
  assert.equal((await open(modest)).status, 200)
  for (const _ of [1, 2, 3]) assert.equal((await open({})).status, 200)
  const ended = await fetch(house.url, { method: 'DELETE', headers: { ...greedy, ...sessionOf(first) } })
  assert.equal(ended.status, 200)
  const third = await open(greedy)
  assert.equal(third.status, 200)
  refused(await open(greedy), /sessions of this principal/)
  for (const answer of [second, third]) {
    await fetch(house.url, { method: 'DELETE', headers: { ...greedy, ...sessionOf(answer) } })
  }
})

test('an initialize that is refused takes no place', async () => {
  for (const _ of [1, 2, 3]) {
    const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params: {} }
    const answer = await house.raw.post(initialize, { headers: greedy, route: 'nothing' })
    assert.equal(answer.status, 404)
  }
  const session = sessionOf(await open(greedy))
  await fetch(house.url, { method: 'DELETE', headers: { ...greedy, ...session } })
})

test('streams of sessions, over all its sessions and both old transports', async () => {
  const leaving = new AbortController()
  const headers = { ...greedy, accept: 'text/event-stream' }
  const get = (path: string, more: Headers = {}): Promise<Response> =>
    fetch(new URL(path, house.url), { headers: { ...headers, ...more }, signal: leaving.signal })
  const [one, two] = [sessionOf(await open(greedy)), sessionOf(await open(greedy))]
  assert.equal((await get('/mcp', one)).status, 200)
  assert.equal((await get('/mcp', two)).status, 200)
  assert.equal((await get('/mcp', one)).status, 503)
  assert.equal((await get('/sse')).status, 503)
  assert.equal((await get('/sse', modest)).status, 200)
  leaving.abort()
})

test('subscriptions', async (t) => {
  const listen = (headers: Headers): ReturnType<typeof rawSubscription> =>
    rawSubscription(t, house, { filter: { toolsListChanged: true }, headers })
  const [first, second] = [await listen(curious), await listen(curious)]
  await Promise.all([first, second].map(async ({ messages }) => messages.until(() => true)))
  const third = await listen(curious)
  assert.equal(third.answer.status, 503)
  assert.equal((await listen(modest)).answer.status, 200)
})
