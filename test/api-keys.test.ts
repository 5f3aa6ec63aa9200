// API keys, from their making to their end, on a gateway that runs.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { createKey, readKey, storedHash } from '../src/auth/api-key.ts'
import { systemClock } from '../src/pipeline/clock.ts'
import { gateway } from './language/house.ts'
import { modernServer } from './language/http-backend.ts'
import { eventually } from './language/journal.ts'
import { type Site, gatewayProcess, site, toolgate } from './language/process.ts'
import type { RawClient } from './language/raw.ts'
import { rawSubscription } from './language/subscription.ts'

const bearer = (key: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${key}` })

/** The status of a call with this key. */
const statusOf = async (raw: RawClient, headers: Readonly<Record<string, string>>): Promise<number> =>
  (await raw.modern('tools/list', {}, { headers })).status

/** Runs `toolgate keys` on a site; yields what it printed. */
async function keys(where: Site, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await toolgate(where, 'keys', ...args, '-c', where.file)
  assert.equal(code, 0, stderr)
  return stdout
}

test('a key works as soon as it is made, and from its revocation on neither it nor what it opened', async (t) => {
  const backend = await modernServer(t)
  const where = await site(t, { backends: { backend }, auth: { apiKeys: {} } })
  await using serving = await gatewayProcess(where)
  const refused = await serving.raw.modern('tools/list')
  assert.equal(refused.status, 401)
  assert.equal(refused.headers.get('www-authenticate'), 'Bearer')
  const { stderr } = await toolgate(where, 'tools', '--url', serving.url)
  assert.match(stderr, /needs an access token or an API key .*\nSet TOOLGATE_TOKEN /)

  const key = await keys(where, 'create', 'ci')
  await eventually('the key works', async () => (await statusOf(serving.raw, bearer(key))) === 200)
  assert.equal(await statusOf(serving.raw, { 'x-api-key': key }), 200)
  const other = await keys(where, 'create', 'other')
  await eventually('it works', async () => (await statusOf(serving.raw, bearer(other))) === 200)
  const open = async (secret: string): ReturnType<typeof rawSubscription> =>
    rawSubscription(t, serving, { filter: { toolsListChanged: true }, headers: bearer(secret) })
  const [stream, otherStream] = [await open(key), await open(other)]
  await Promise.all([stream, otherStream].map(async ({ messages }) => messages.until(() => true)))
  const initialize = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
  }
  const opened = await serving.raw.post(initialize, { headers: bearer(key) })
  const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
  const ping = { jsonrpc: '2.0', id: 2, method: 'ping' }
  assert.equal((await serving.raw.post(ping, { headers: { ...bearer(key), ...session } })).status, 200)
  // The session of one key is nothing to another.
  assert.equal((await serving.raw.post(ping, { headers: { ...bearer(other), ...session } })).status, 404)

  await keys(where, 'revoke', 'ci')
  await stream.ended
  const gone = await serving.raw.modern('tools/list', {}, { headers: bearer(key) })
  assert.equal(gone.status, 401)
  assert.match(gone.headers.get('www-authenticate') ?? '', /^Bearer error="invalid_token"/)
  assert.equal((await serving.raw.post(ping, { headers: { ...bearer(key), ...session } })).status, 401)
  assert.equal(await statusOf(serving.raw, bearer(other)), 200)
  const all = [...serving.stdout.entries, ...serving.stderr.entries, await keys(where, 'list')].join('\n')
  assert.ok(!all.includes(key.slice(12)) && !all.includes(other.slice(12)))
})

test('a file that breaks changes nothing, and a gateway does not start with it', async (t) => {
  const backend = await modernServer(t)
  const where = await site(t, { backends: { backend }, auth: { apiKeys: {} } })
  const key = await keys(where, 'create', 'ci')
  const file = join(dirname(where.file), 'state', 'api-keys.json')
  const good = await readFile(file, 'utf8')
  await using serving = await gatewayProcess(where)
  await writeFile(file, good.slice(0, -20))
  await serving.stderr.until((line) => line.includes('the keys known before stay valid'))
  assert.equal(await statusOf(serving.raw, bearer(key)), 200)
  const second = await toolgate(where, 'serve', '-c', where.file)
  assert.equal(second.code, 1)
  assert.match(
    second.stderr,
    /^toolgate: the file of API keys, .*api-keys\.json, cannot be taken: it is not JSON$/m,
  )
  await writeFile(file, '{"keys":[]}')
  await eventually('it is refused', async () => (await statusOf(serving.raw, bearer(key))) === 401)
})

test('a key of the configuration works until it expires, and takes its streams along', async (t) => {
  const backend = await modernServer(t)
  const key = createKey()
  const parts = readKey(key)
  assert.ok(parts)
  let shift = 0
  const expires = new Date(Date.now() + 3_600_000).toISOString()
  await using house = await gateway({
    backends: { backend },
    auth: { apiKeys: { keys: [{ name: 'ci', hash: storedHash(parts), expires }] } },
    clock: { ...systemClock, wallTime: () => Date.now() + shift },
  })
  assert.equal(await statusOf(house.raw, bearer(key)), 200)
  const stream = await rawSubscription(t, house, { filter: { toolsListChanged: true }, headers: bearer(key) })
  await stream.messages.until(() => true)
  shift = 3_600_001
  assert.equal(await statusOf(house.raw, bearer(key)), 401)
  await stream.ended
})

test('keys that were never made are refused, whatever they look like', async (t) => {
  const backend = await modernServer(t)
  await using house = await gateway({ backends: { backend }, auth: { apiKeys: {} } })
  for (const wrong of [createKey(), `${createKey()}x`, 'tg_', 'tg_00000000_', `tg_${'0'.repeat(10_000)}`]) {
    assert.equal(await statusOf(house.raw, bearer(wrong)), 401, wrong.slice(0, 60))
  }
  const inQuery = await fetch(`${house.url}?api_key=${createKey()}`, { method: 'POST', body: '{}' })
  assert.equal(inQuery.status, 400)
})
