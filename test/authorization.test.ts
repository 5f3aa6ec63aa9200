// Rules and scopes on a gateway that runs: who sees what, who may call what, and what the others are told.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { createKey, readKey, storedHash } from '../src/auth/api-key.ts'
import { type House, type HouseOptions, gateway } from './language/house.ts'
import { type HttpBackend, legacyServer, modernServer } from './language/http-backend.ts'
import { gatewayProcess, site, toolgate } from './language/process.ts'
import type { RawAnswer } from './language/raw.ts'
import type { Scope } from './language/scope.ts'
import type { Arguments, ToolScript } from './language/stage.ts'
import { rawSubscription } from './language/subscription.ts'

/** Somebody with an API key. */
interface Somebody {
  readonly entry: object
  readonly headers: Readonly<Record<string, string>>
}

function somebody(
  name: string,
  over: { readonly scopes?: string[]; readonly groups?: string[] } = {},
): Somebody {
  const key = createKey()
  const parts = readKey(key)
  assert.ok(parts)
  return { entry: { name, hash: storedHash(parts), ...over }, headers: { authorization: `Bearer ${key}` } }
}

const reader = somebody('reader', { scopes: ['github:read'] })
const writer = somebody('writer', { scopes: ['admin'] })
const analyst = somebody('analyst', { groups: ['analysts'] })
const nobody = somebody('nobody')

const tool = (name: string): ToolScript => ({ name, does: 'echo' })
const GITHUB = ['list_repos', 'search_code', 'create_issue', 'ask'].map(tool)

const AUTHORIZATION = {
  scopes: {
    'github:read': ['github_list_repos', 'github_search_code'],
    'github:write': ['github_create_issue'],
  },
  scopeHierarchy: { admin: ['github:write'], 'github:write': ['github:read'] },
  rules: [
    {
      effect: 'deny',
      tools: 'database/query',
      when: 'args.sql.matches("(?i)\\\\bdrop\\\\b")',
      name: 'no drops',
    },
    { effect: 'allow', tools: 'database/query', groups: 'analysts' },
  ],
}

async function open(
  t: Scope,
  settings: HouseOptions['gateway'] = {},
): Promise<{ readonly house: House; readonly github: HttpBackend; readonly database: HttpBackend }> {
  const github = await modernServer(t, { label: 'github', tools: GITHUB, cacheScope: 'public', ttlMs: 1000 })
  const database = await legacyServer(t, { label: 'database', tools: [tool('query'), tool('drop')] })
  const house = await gateway({
    backends: { github, database },
    gateway: settings,
    auth: {
      anonymous: true,
      apiKeys: { keys: [reader, writer, analyst, nobody].map(({ entry }) => entry) },
    },
    more: { authorization: AUTHORIZATION },
  })
  return { house, github, database }
}

const namesOf = ({ response }: RawAnswer): readonly string[] =>
  (response.result?.tools ?? []).map(({ name }) => name)

const list = async ({ raw }: House, headers = {}): Promise<readonly string[]> =>
  namesOf(await raw.modern('tools/list', {}, { headers }))

const call = async ({ raw }: House, headers: Record<string, string>, name: string, args: Arguments = {}) =>
  raw.modern('tools/call', { name, arguments: args }, { headers })

const callsOf = ({ journal }: HttpBackend): number =>
  journal.entries.filter(({ kind }) => kind === 'call').length

suite('lists and calls match the rights of whoever asks', () => {
  for (const [names, prefix, database] of [
    ['prefix', 'github_', 'database_'],
    ['conflict', '', ''],
    ['bare', '', ''],
  ] as const)
    test(`with names: ${names}`, async (t) => {
      const { house, github } = await open(t, { names })
      await using _ = house
      const read = ['list_repos', 'search_code'].map((name) => prefix + name)
      assert.deepEqual(await list(house, reader.headers), read)
      assert.deepEqual(await list(house, writer.headers), [...read, `${prefix}create_issue`])
      assert.deepEqual(await list(house, analyst.headers), [`${database}query`])
      assert.deepEqual(await list(house, nobody.headers), [])
      assert.deepEqual(await list(house), [])

      assert.equal((await call(house, reader.headers, `${prefix}list_repos`)).status, 200)
      const denied = await call(house, reader.headers, `${prefix}create_issue`)
      assert.equal(denied.status, 403)
      assert.equal(callsOf(github), 1)
    })
})

suite('a call that is not let through', () => {
  test('for want of a scope says which, in the header too', async (t) => {
    const { house } = await open(t)
    await using _ = house
    const denied = await call(house, reader.headers, 'github_create_issue')
    assert.equal(denied.status, 403)
    const challenge = denied.headers.get('www-authenticate') ?? ''
    assert.match(challenge, /error="insufficient_scope"/)
    assert.match(challenge, /scope="github:write"/)
    assert.deepEqual(denied.response.error?.data?.['scopes'], ['github:write'])
    assert.equal(denied.response.error?.data?.['code'], 'INSUFFICIENT_SCOPE')
  })

  test('of somebody anonymous asks for credentials', async (t) => {
    const { house } = await open(t)
    await using _ = house
    const denied = await call(house, {}, 'github_list_repos')
    assert.equal(denied.status, 401)
    assert.match(denied.headers.get('www-authenticate') ?? '', /^Bearer .*scope="github:read"/)
  })

  test('for its arguments is forbidden, and nothing reaches the backend', async (t) => {
    const { house, database } = await open(t)
    await using _ = house
    assert.equal((await call(house, analyst.headers, 'database_query', { sql: 'SELECT 1' })).status, 200)
    for (const args of [{ sql: 'x; dRoP table y' }, {}, { sql: 1 }] as const) {
      const denied = await call(house, analyst.headers, 'database_query', args)
      assert.equal(denied.status, 403)
      assert.equal(denied.response.error?.data?.['code'], 'FORBIDDEN')
      assert.equal(denied.headers.get('www-authenticate'), null)
    }
    assert.equal(callsOf(database), 1)
    const audit = house.log.entries.filter(({ fields }) => fields['event'] === 'call.denied')
    assert.equal(audit.length, 3)
    assert.deepEqual(
      audit.map(({ fields }) => [fields['subject'], fields['rule'], fields['name']]),
      Array.from({ length: 3 }, () => ['analyst', 'no drops', 'query']),
    )
    assert.ok(!JSON.stringify(house.log.entries).includes('dRoP'))
  })

  test('of what the caller may not see is as unknown as what does not exist', async (t) => {
    const { house } = await open(t)
    await using _ = house
    const hidden = await call(house, analyst.headers, 'database_drop')
    const missing = await call(house, analyst.headers, 'database_drip')
    assert.deepEqual([hidden.status, missing.status], [400, 400])
    assert.equal(
      hidden.response.error?.message.replace('drop', ''),
      missing.response.error?.message.replace('drip', ''),
    )
    assert.equal(hidden.response.error?.code, missing.response.error?.code)
  })
})

test('a legacy client sees and may do the same', async (t) => {
  const { house } = await open(t)
  await using _ = house
  const initialize = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
  }
  const opened = await house.raw.post(initialize, { headers: reader.headers })
  const session = { ...reader.headers, 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
  const ask = async (method: string, params: object = {}): Promise<RawAnswer> =>
    house.raw.post({ jsonrpc: '2.0', id: 2, method, params }, { headers: session })
  assert.deepEqual(namesOf(await ask('tools/list')), ['github_list_repos', 'github_search_code'])
  assert.ok((await ask('tools/call', { name: 'github_list_repos', arguments: {} })).response.result)
  const denied = await ask('tools/call', { name: 'github_create_issue', arguments: {} })
  assert.deepEqual(denied.response.error?.data?.['scopes'], ['github:write'])
  assert.equal(denied.status, 403)
})

test('lists are kept for one caller, even if the backend would let everybody keep them', async (t) => {
  const { house } = await open(t)
  await using _ = house
  const { response } = await house.raw.modern('tools/list', {}, { headers: reader.headers, route: 'github' })
  assert.equal(response.result?.cacheScope, 'private')
})

test('changes of a backend reach those who may see something of it, and nobody else', async (t) => {
  const { house, github } = await open(t)
  await using _ = house
  const filter = { toolsListChanged: true }
  const follow = async (headers: Somebody['headers']): ReturnType<typeof rawSubscription> => {
    const stream = await rawSubscription(t, house, { filter, headers })
    await stream.messages.until(({ method }) => method === 'notifications/subscriptions/acknowledged')
    return stream
  }
  const [seeing, blind] = [await follow(reader.headers), await follow(analyst.headers)]
  await github.setTools([...GITHUB, tool('more')])
  await seeing.messages.until(({ method }) => method === 'notifications/tools/list_changed')
  assert.deepEqual(await list(house, reader.headers), ['github_list_repos', 'github_search_code'])
  assert.ok(!blind.messages.entries.some(({ method }) => method === 'notifications/tools/list_changed'))
})

test('the command line says which tools nobody may call', async (t) => {
  const github = await modernServer(t, { label: 'github', tools: GITHUB })
  const where = await site(t, {
    backends: { github },
    admin: { listen: '127.0.0.1:0' },
    more: { authorization: { scopes: AUTHORIZATION.scopes } },
  })
  const checked = await toolgate(where, 'check', where.file, '--connect')
  assert.equal(checked.code, 0, checked.stderr)
  assert.match(checked.stdout, /^warning: nobody may call github\/ask$/m)
  await using serving = await gatewayProcess(where)
  const status = await toolgate(where, 'status', '--url', serving.url)
  assert.match(status.stdout, /^nobody may call github\/ask$/m, status.stderr)
})

test('a configuration in which an entry could be about two backends does not start', async (t) => {
  const backend = await modernServer(t)
  const where = await site(t, { backends: { a: backend, a_b: backend } })
  await writeFile(
    where.file,
    JSON.stringify({
      backends: { a: backend.url, a_b: backend.url },
      authorization: { scopes: { s: ['a_b_echo'] } },
    }),
  )
  const { code, stderr } = await toolgate(where, 'serve', where.file)
  assert.equal(code, 1)
  assert.match(stderr, /authorization\.scopes\.s\[0\]: "a_b_echo" could be about tools of a and a_b/)
})
