// What the gateway pattern says of security: who may call what, and how servers know the gateway.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text as readText } from 'node:stream/consumers'
import { readFile, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { SYSTEM_PROGRAMS, howToInstall, programForTests } from '../../scripts/system-packages.ts'
import { bearer, listAs } from '../language/as.ts'
import { front } from '../language/front.ts'
import { openIdProvider } from '../language/provider.ts'
import { answering, restServer } from '../language/rest-server.ts'
import { scopeOf } from '../language/scope.ts'
import { example, saved, serve } from './page.ts'
import { callsOf, database, github } from './servers.ts'

describe('Security Considerations', () => {
  test('a gateway that asks nobody is not on the network', async (t) => {
    const { file, run } = await saved(scopeOf(t), 'security')
    assert.equal((await run('check', file)).code, 0)
    const text = await readFile(file, 'utf8')
    assert.ok(text.includes('auth: { apiKeys: {} }\n'))
    await writeFile(file, text.replace('auth: { apiKeys: {} }\n', ''))
    for (const command of ['check', 'serve']) {
      const { code, stderr } = await run(command, file)
      assert.equal(code, 1)
      assert.match(stderr, /gateway\.listen/)
      assert.match(stderr, /auth/)
    }
  })
})

describe('OAuth 2.1 Integration', () => {
  test('a token of the issuer sees and calls what its scopes open, and nothing else', async (t) => {
    const scope = scopeOf(t)
    const [one, two] = [await github(scope), await database(scope)]
    const scopes = ['github:read', 'github:write', 'database:read']
    const provider = await openIdProvider(scope, { scopes, audience: 'mcp-gateway' })
    const { serving } = await serve(scope, 'oauth', {
      addresses: {
        'https://auth.example.com': provider.issuer,
        'http://localhost:8001/mcp': one.url,
        'http://localhost:8002/mcp': two.url,
      },
    })
    const tokens = await Promise.all(
      ['github:read', 'github:write', 'database:read', 'github:read database:read', ''].map(async (wanted) =>
        provider.token({ scope: wanted, resource: serving.url }),
      ),
    )
    const [read = '', write = '', query = '', both = '', none = ''] = tokens
    const seen = async (token: string) =>
      ((await listAs(serving.raw, token)).response.result?.tools ?? []).map(({ name }) => name).toSorted()
    assert.deepEqual(await seen(read), ['github_list_repos', 'github_search_code'])
    assert.deepEqual(await seen(write), ['github_create_issue'])
    assert.deepEqual(await seen(query), ['database_query'])
    assert.deepEqual(await seen(both), ['database_query', 'github_list_repos', 'github_search_code'])
    assert.deepEqual(await seen(none), [])

    const call = async (name: string, token: string) =>
      serving.raw.modern('tools/call', { name, arguments: {} }, { headers: bearer(token) })
    assert.equal((await call('github_list_repos', read)).status, 200)
    assert.equal((await call('github_search_code', read)).status, 200)
    assert.equal((await call('github_create_issue', write)).status, 200)
    assert.equal((await call('database_query', both)).status, 200)
    const refused = await call('github_create_issue', read)
    assert.equal(refused.status, 403)
    assert.match(
      refused.headers.get('www-authenticate') ?? '',
      /^Bearer error="insufficient_scope", scope="[^"]*github:write[^"]*"/,
    )
    assert.equal((await call('database_query', read)).status, 403)
    assert.notEqual((await call('gateway_health', read)).status, 200)
    assert.deepEqual(
      [...callsOf(one), ...callsOf(two)].map(([tool]) => tool),
      ['list_repos', 'search_code', 'create_issue', 'query'],
    )

    // Neither a token for somebody else, nor one of somebody else, nor none.
    assert.equal(
      (await call('github_list_repos', await provider.sign({ aud: 'other', scope: 'github:read' }))).status,
      401,
    )
    const stranger = await openIdProvider(scope, { scopes, audience: 'mcp-gateway' })
    const theirs = await stranger.token({ scope: 'github:read', resource: serving.url })
    assert.equal((await call('github_list_repos', theirs)).status, 401)
    assert.equal((await serving.raw.modern('tools/list')).status, 401)
    const heard = JSON.stringify([one.journal.entries, two.journal.entries])
    for (const token of tokens) assert.ok(!heard.includes(token), 'no token reaches a server')
  })
})

const SECRET = 'a secret of the gateway and its servers'
/** Reads requests, and answers for each whether the page's function believes that it came from the gateway. */
const VERIFIER = `
import sys
for line in sys.stdin:
    request = json.loads(line)
    print(is_from_gateway(request["body"].encode(), request["signature"], request["secret"]))
`

interface Signed {
  readonly body: string
  readonly signature: string
  readonly secret: string
}

/** What Python says, with the program of the page. */
async function verifiedByPython(python: string, requests: readonly Signed[]): Promise<readonly string[]> {
  const child = spawn(python, ['-c', example('sign_request') + VERIFIER], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  child.stdin.end(requests.map((request) => `${JSON.stringify(request)}\n`).join(''))
  const said = await readText(child.stdout)
  assert.deepEqual(await ended, [0, null])
  return said.trim().split('\n')
}

describe('Request Signing', () => {
  const python = programForTests(SYSTEM_PROGRAMS.python)
  const skip = python === undefined ? `NOT TESTED: ${howToInstall(SYSTEM_PROGRAMS.python)}` : false
  test('sign_request of the pattern, in Python, verifies what servers really get', { skip }, async (t) => {
    const scope = scopeOf(t)
    const received: Signed[] = []
    const record = (body: string, signature: unknown): void => {
      if (body !== '') received.push({ body, signature: String(signature), secret: SECRET })
    }
    const one = await github(scope)
    const watched = await front(scope, one.url, ({ request, body }) => {
      record(body, request.headers['x-signature'])
      return false
    })
    const service = await restServer(scope, answering({ list: { body: '[]' } }))
    const { client } = await serve(scope, 'signing', {
      addresses: { 'http://localhost:8001/mcp': watched, 'http://localhost:8003': service.url },
      env: { SIGNING_SECRET: SECRET },
    })
    const caller = await client()
    const args = {
      org: 'Łódź – 東京 😀',
      z: { b: 1e16, a: [0.1, -0, 1e-7, 12345678901234567000n.toString()] },
      '': null,
    }
    assert.equal((await caller.call('github_list_repos', args)).isError, false)
    assert.equal((await caller.call('storage_list', args)).isError, false)
    const [call] = service.calls()
    assert.ok(call)
    assert.deepEqual(JSON.parse(call.body), JSON.parse(JSON.stringify(args)), 'the payload is the arguments')
    record(call.body, call.headers['x-signature'])
    assert.ok(received.some(({ body }) => body.includes('"tools/call"')))

    // The gateway goes on asking its servers meanwhile.
    const seen = [...received]
    const forged = seen.map((request) => ({ ...request, secret: `${SECRET}?` }))
    const changed = seen.map((request) => ({ ...request, body: request.body.replace('{', '{"more":1,') }))
    const answers = await verifiedByPython(python ?? '', [...seen, ...forged, ...changed])
    assert.deepEqual(answers, [
      ...seen.map(() => 'True'),
      ...forged.map(() => 'False'),
      ...changed.map(() => 'False'),
    ])
  })
})
