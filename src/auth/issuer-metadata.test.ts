import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../pipeline/clock.ts'
import { discover, metadataUrls } from './issuer-metadata.ts'
import type { Fetch } from './outbound.ts'

const ISSUER = 'https://issuer.example/tenant'

/** Documents by URL; everything else is not found. */
const serving =
  (documents: Readonly<Record<string, unknown>>, asked: string[] = []): Fetch =>
  (url) => {
    asked.push(url)
    const found = documents[url]
    return Promise.resolve(
      found === undefined ? new Response('', { status: 404 }) : Response.json(found, { status: 200 }),
    )
  }

const find = (fetch: Fetch, issuer = ISSUER): ReturnType<typeof discover> =>
  discover(issuer, { clock: systemClock, fetch, guardedFetch: () => assert.fail('nobody else is asked') })

describe('the metadata of an issuer', () => {
  test('is looked for in the order of the specification', () => {
    assert.deepEqual(metadataUrls(ISSUER), [
      'https://issuer.example/.well-known/oauth-authorization-server/tenant',
      'https://issuer.example/.well-known/openid-configuration/tenant',
      'https://issuer.example/tenant/.well-known/openid-configuration',
    ])
    for (const bare of ['https://issuer.example', 'https://issuer.example/'])
      assert.deepEqual(metadataUrls(bare), [
        'https://issuer.example/.well-known/oauth-authorization-server',
        'https://issuer.example/.well-known/openid-configuration',
      ])
  })

  test('is taken from the first place that has it', async () => {
    for (const [index, url] of metadataUrls(ISSUER).entries()) {
      const asked: string[] = []
      const document = { issuer: ISSUER, jwks_uri: 'https://keys.example/', introspection_endpoint: 5 }
      assert.deepEqual(await find(serving({ [url]: document }, asked)), {
        issuer: ISSUER,
        jwksUri: 'https://keys.example/',
        introspectionEndpoint: undefined,
      })
      assert.equal(asked.length, index + 1)
    }
  })

  test('is not believed where it is about another issuer, by one character', async () => {
    for (const issuer of [
      `${ISSUER}/`,
      'https://ISSUER.example/tenant',
      'https://attacker.example',
      undefined,
    ]) {
      const documents = Object.fromEntries(metadataUrls(ISSUER).map((url) => [url, { issuer }]))
      await assert.rejects(find(serving(documents)), /is about another issuer/)
    }
  })

  test('that is nowhere is an error that says what every place answered', async () => {
    await assert.rejects(
      find(serving({})),
      /tenant answered 404; .*tenant answered 404; .*configuration answered 404/,
    )
    await assert.rejects(
      find(() => Promise.resolve(new Response('<html>'))),
      /did not answer with JSON/,
    )
    const refused = new TypeError('fetch failed', {
      cause: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }),
    })
    await assert.rejects(
      find(() => Promise.reject(refused)),
      /fetch failed: ECONNREFUSED/,
    )
  })
})
