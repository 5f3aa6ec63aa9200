/** A call that needs more than the token grants says what, and the official clients ask for exactly that. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bearer } from '../language/as.ts'
import type { Generation } from '../language/client.ts'
import { legacyServer, modernServer } from '../language/http-backend.ts'
import { type House, gateway } from '../language/house.ts'
import { oauthUser } from '../language/oauth-user.ts'
import { type OpenIdProvider, PUBLIC_CLIENT, openIdProvider } from '../language/provider.ts'
import { fileScope } from '../language/scope.ts'

const scope = fileScope()
const GENERATIONS: readonly Generation[] = ['modern', 'auto', 'legacy', 'v1']

/** In the form of the seed: scopes beside the issuer. */
async function open(): Promise<{ readonly house: House; readonly provider: OpenIdProvider }> {
  const provider = await openIdProvider(scope)
  const house = await gateway({
    backends: { m: await modernServer(scope), l: await legacyServer(scope) },
    auth: {
      issuer: provider.issuer,
      scopesSupported: ['basic'],
      scopes: { basic: ['m_echo'], read: ['l_echo'], write: ['m_fail', 'l_fail'] },
      scopeHierarchy: { write: ['read'] },
    },
  })
  return { house, provider }
}

describe('step-up', () => {
  for (const generation of GENERATIONS) {
    test(`by the ${generation} client`, async () => {
      const { house, provider } = await open()
      await using _closed = house
      const user = oauthUser(provider, PUBLIC_CLIENT)
      const client = await house.client(generation, { user })
      assert.equal((await client.call('m_echo', {})).isError, false)
      await assert.rejects(client.call('l_echo', {}), /unauthorized/i)
      assert.equal(user.visits.length, 2)
      const asked = new Set(user.visits[1]?.searchParams.get('scope')?.split(' '))
      assert.ok(asked.has('read') && !asked.has('write'), [...asked].join(' '))
      await client.signInAgain()
      assert.equal((await client.call('l_echo', { a: 1 })).text, 'legacy: {"a":1}')
      assert.equal(user.visits.length, 2)
    })
  }

  test('is challenged with every scope that the call needs, in both eras', async () => {
    const { house, provider } = await open()
    await using _closed = house
    const headers = bearer(await provider.token({ resource: house.url, scope: 'basic' }))
    const metadata = `${new URL(house.url).origin}/.well-known/oauth-protected-resource/mcp`
    const challenge = `Bearer error="insufficient_scope", scope="write", resource_metadata="${metadata}"`
    const call = { name: 'l_fail', arguments: {} }
    const modern = await house.raw.modern('tools/call', call, { headers })
    const opened = await house.raw.post(
      {
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
      },
      { headers },
    )
    const session = {
      ...headers,
      'mcp-session-id': opened.headers.get('mcp-session-id') ?? '',
      'mcp-protocol-version': '2025-11-25',
    }
    const body = { jsonrpc: '2.0', id: 2, method: 'tools/call', params: call }
    const legacy = await house.raw.post(body, { headers: session })
    for (const answer of [modern, legacy]) {
      assert.equal(answer.status, 403)
      assert.equal(answer.headers.get('www-authenticate'), challenge)
      assert.equal(answer.response.error?.data?.['code'], 'INSUFFICIENT_SCOPE')
      assert.deepEqual(answer.response.error.data['scopes'], ['write'])
    }
    // The same session, with the rights that came with a better token, and without them again.
    const better = {
      ...session,
      ...bearer(await provider.token({ resource: house.url, scope: 'basic write' })),
    }
    assert.equal((await house.raw.post({ ...body, id: 3 }, { headers: better })).status, 200)
    assert.equal((await house.raw.post({ ...body, id: 4 }, { headers: session })).status, 403)
  })

  test('lets through what the wider scope implies, and lists what the token opens', async () => {
    const { house, provider } = await open()
    await using _closed = house
    const listed = async (scopes: string): Promise<readonly string[] | undefined> => {
      const headers = bearer(await provider.token({ resource: house.url, scope: scopes }))
      const { response } = await house.raw.modern('tools/list', {}, { headers })
      return response.result?.tools?.map(({ name }) => name)
    }
    assert.deepEqual(await listed('basic'), ['m_echo'])
    assert.deepEqual(await listed('write'), ['m_fail', 'l_echo', 'l_fail'])
    const headers = bearer(await provider.token({ resource: house.url, scope: 'write' }))
    const call = { name: 'l_echo', arguments: {} }
    assert.equal((await house.raw.modern('tools/call', call, { headers })).status, 200)
  })
})
