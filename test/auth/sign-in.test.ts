/** People sign in through the official clients, from the gateway's challenge to the result of a tool. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Generation } from '../language/client.ts'
import { legacyServer, modernServer } from '../language/http-backend.ts'
import { gateway } from '../language/house.ts'
import { oauthUser } from '../language/oauth-user.ts'
import { openIdProvider } from '../language/provider.ts'
import { fileScope } from '../language/scope.ts'

const scope = fileScope()
const GENERATIONS: readonly Generation[] = ['modern', 'auto', 'legacy', 'v1']

describe('authorization code with PKCE, by discovery from the challenge', () => {
  for (const generation of GENERATIONS) {
    test(`by the ${generation} client`, async () => {
      const provider = await openIdProvider(scope)
      const backends = { m: await modernServer(scope), l: await legacyServer(scope) }
      await using house = await gateway({
        backends,
        auth: { issuer: provider.issuer, scopesSupported: ['basic'] },
      })
      const user = oauthUser(provider)
      const client = await house.client(generation, { user })
      assert.equal((await client.call('m_echo', { a: 1 })).text, 'modern: {"a":1}')
      assert.equal((await client.call('l_echo', { a: 2 })).text, 'legacy: {"a":2}')
      const [asked] = user.visits
      assert.equal(asked?.searchParams.get('resource'), house.url)
      assert.equal(asked?.searchParams.get('code_challenge_method'), 'S256')
      assert.match(asked?.searchParams.get('scope') ?? '', /\bbasic\b/)
      assert.equal(user.visits.length, 1)
    })

    test(`once for a route of its own, by the ${generation} client`, async () => {
      const provider = await openIdProvider(scope)
      await using house = await gateway({
        backends: { m: await modernServer(scope) },
        auth: { issuer: provider.issuer, scopesSupported: ['basic'] },
      })
      const user = oauthUser(provider)
      const client = await house.client(generation, { user, route: 'm' })
      assert.equal((await client.call('echo', {})).text, 'modern: {}')
      assert.equal(user.visits[0]?.searchParams.get('resource'), `${house.url}/m`)
      // What is meant for one backend opens no other door.
      const elsewhere = await house.raw.modern('tools/list', {}, bearer(user.accessToken()))
      assert.equal(elsewhere.status, 401)
    })

    test(`again by itself, with a refresh token, by the ${generation} client`, async () => {
      const provider = await openIdProvider(scope)
      await using house = await gateway({
        backends: { m: await modernServer(scope) },
        auth: { issuer: provider.issuer, scopesSupported: ['basic'] },
      })
      const user = oauthUser(provider)
      const client = await house.client(generation, { user })
      const expired = await provider.sign({ aud: house.url, exp: Math.floor(Date.now() / 1000) - 3600 })
      user.spoilAccessToken(expired)
      assert.equal((await client.call('m_echo', {})).text, 'modern: {}')
      assert.notEqual(user.accessToken(), expired)
      assert.equal(user.visits.length, 1)
    })
  }
})

function bearer(token: string | undefined): { readonly headers: Readonly<Record<string, string>> } {
  return { headers: { authorization: `Bearer ${token}` } }
}
