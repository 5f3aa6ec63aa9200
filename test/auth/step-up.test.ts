/** The seed's configuration against a real provider: scopes that open tools, and clients that ask for those they lack. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type House, gateway } from '../language/house.ts'
import { legacyServer, modernServer } from '../language/http-backend.ts'
import { oauthUser } from '../language/oauth-user.ts'
import { type OpenIdProvider, openIdProvider } from '../language/provider.ts'
import { fileScope } from '../language/scope.ts'

const scope = fileScope()

/** Issuer, and the map from scopes to tools, as in `OAuth2Provider(issuer=…, scopes=…)`. */
async function open(): Promise<{ readonly provider: OpenIdProvider; readonly house: House }> {
  const provider = await openIdProvider(scope)
  const house = await gateway({
    backends: { m: await modernServer(scope), l: await legacyServer(scope) },
    auth: {
      issuer: provider.issuer,
      scopesSupported: ['read'],
      scopes: { read: ['m_echo', 'l_echo'], write: ['m_progress'] },
      scopeHierarchy: { write: ['read'] },
    },
  })
  return { provider, house }
}

const bearer = (token: string): { readonly headers: Record<string, string> } => ({
  headers: { authorization: `Bearer ${token}` },
})

describe('step-up', () => {
  test('by hand: the challenge names the scope, and a token with it is let through', async () => {
    const { provider, house } = await open()
    await using _ = house
    const weak = await provider.token({ scope: 'read', resource: house.url })
    const call = async (name: string, token: string) =>
      house.raw.modern('tools/call', { name, arguments: {} }, bearer(token))
    assert.equal((await call('m_echo', weak)).status, 200)
    const denied = await call('m_progress', weak)
    assert.equal(denied.status, 403)
    const challenge = denied.headers.get('www-authenticate') ?? ''
    assert.match(challenge, /error="insufficient_scope"/)
    assert.match(challenge, /resource_metadata="/)
    const wanted = /scope="([^"]+)"/.exec(challenge)?.[1]
    assert.equal(wanted, 'write')
    const strong = await provider.token({ scope: wanted, resource: house.url })
    assert.equal((await call('m_progress', strong)).status, 200)
    // What comes with it too.
    assert.equal((await call('l_echo', strong)).status, 200)
    const { response } = await house.raw.modern('tools/list', {}, bearer(weak))
    assert.deepEqual(
      response.result?.tools?.map(({ name }) => name),
      ['m_echo', 'l_echo'],
    )
  })

  // The first SDK refreshes its token instead of asking for more, and then gives up.
  for (const generation of ['modern', 'legacy'] as const)
    test(`by the ${generation} client: its user is asked for that scope`, async () => {
      const { provider, house } = await open()
      await using _ = house
      const user = oauthUser(provider)
      const client = await house.client(generation, { user })
      await assert.rejects(client.call('m_progress', {}))
      const asked = user.visits.at(-1)?.searchParams.get('scope')?.split(' ')
      assert.ok(asked?.includes('write'), String(asked))
    })
})
