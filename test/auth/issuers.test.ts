/** Issuers that change their keys, are asked too much, or are away. */
import assert from 'node:assert/strict'
import { type TestContext, describe, test } from 'node:test'
import { listAs } from '../language/as.ts'
import { modernServer } from '../language/http-backend.ts'
import { type House, gateway } from '../language/house.ts'
import { CLIENT_SECRET, type OpenIdProvider, openIdProvider } from '../language/provider.ts'
import { fileScope } from '../language/scope.ts'
import { type ShiftedClock, createShiftedClock } from '../support/shifted-clock.ts'

const scope = fileScope()
const backend = await modernServer(scope)

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

interface World {
  readonly provider: OpenIdProvider
  readonly house: House
  readonly clock: ShiftedClock
  /** A token that outlives the test. */
  readonly long: () => Promise<string>
  /** Times that the keys were fetched. */
  readonly fetches: () => number
}

async function world(t: TestContext, auth: Readonly<Record<string, unknown>> = {}): Promise<World> {
  const provider = await openIdProvider(scope)
  const clock = createShiftedClock()
  const house = await gateway({ backends: { a: backend }, auth: { issuer: provider.issuer, ...auth }, clock })
  t.after(async () => house.close())
  let number = 0
  return {
    provider,
    house,
    clock,
    long: () =>
      provider.sign({
        aud: house.url,
        jti: String(++number),
        exp: Math.floor(Date.now() / 1000) + 10 * 3600,
      }),
    fetches: () => provider.requests.count((path) => path === '/jwks'),
  }
}

describe('keys of an issuer', () => {
  test('are fetched once, whoever comes first and however many', async (t) => {
    const { house, long, fetches } = await world(t)
    const tokens = await Promise.all(Array.from({ length: 20 }, long))
    const answers = await Promise.all(tokens.map((token) => listAs(house.raw, token)))
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
    assert.equal(fetches(), 1)
  })

  test('that are unheard of are looked for once, not once per token', async (t) => {
    const { house, clock, provider, long, fetches } = await world(t)
    await listAs(house.raw, await long())
    for (let round = 1; round <= 2; round++) {
      clock.skip(31 * SECOND)
      const made = Array.from({ length: 30 }, (_, index) =>
        provider.sign({ aud: house.url }, { header: { kid: `made-up-${round}-${index}` } }),
      )
      const answers = await Promise.all((await Promise.all(made)).map((token) => listAs(house.raw, token)))
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([401]))
      assert.equal(fetches(), 1 + round)
    }
  })

  test('that are new are found, and what the old ones signed is believed no longer', async (t) => {
    const { house, clock, provider, long } = await world(t)
    const old = await long()
    assert.equal((await listAs(house.raw, old)).status, 200)
    await provider.rotateKeys()
    clock.skip(31 * SECOND)
    assert.equal((await listAs(house.raw, await long())).status, 200)
    const answer = await listAs(house.raw, old)
    assert.equal(answer.status, 401)
    assert.match(answer.response.error?.message ?? '', /a key that its issuer does not publish/)
  })

  test('that were withdrawn count for ten minutes at most, even without new ones in use', async (t) => {
    const { house, clock, provider, long } = await world(t)
    const old = await long()
    await listAs(house.raw, old)
    await provider.rotateKeys()
    clock.skip(11 * MINUTE)
    // Looks for new keys in passing, without making the caller wait.
    await listAs(house.raw, old)
    await provider.requests.until((path) => path === '/jwks', provider.requests.entries.length - 1)
    while ((await listAs(house.raw, old)).status === 200) await new Promise(setImmediate)
    assert.equal((await listAs(house.raw, old)).status, 401)
  })
})

describe('while the issuer is away', () => {
  test('its last keys are used for the configured time, and then nobody is let in until it is back', async (t) => {
    const { house, clock, provider, long } = await world(t, { keysStaleFor: '1h' })
    const known = await long()
    assert.equal((await listAs(house.raw, known)).status, 200)
    await provider.stop()
    clock.skip(HOUR + 9 * MINUTE)
    assert.equal((await listAs(house.raw, known)).status, 200)
    assert.equal((await listAs(house.raw, await long())).status, 200)
    await house.log.until(({ message }) => message === 'the keys of an issuer cannot be fetched')
    clock.skip(2 * MINUTE)
    for (const token of [known, await long()]) {
      const answer = await listAs(house.raw, token)
      assert.equal(answer.status, 503)
      assert.equal(answer.headers.get('retry-after'), '30')
      assert.equal(answer.headers.get('www-authenticate'), null)
      assert.deepEqual(answer.response.error, {
        code: -31503,
        message: 'The access token cannot be checked, because its issuer cannot be reached',
        data: {
          code: 'ISSUER_UNAVAILABLE',
          retryable: true,
          hint: 'Try again later; the operator sees in the log which issuer cannot be reached.',
          retryAfterMs: 30_000,
        },
      })
    }
    await provider.start()
    clock.skip(31 * SECOND)
    assert.equal((await listAs(house.raw, known)).status, 200)
  })

  test('from the beginning, its tokens are refused without blame, and those of others are not touched', async (t) => {
    const away = await openIdProvider(scope)
    const { house, provider } = await world(t, { issuers: [{ issuer: away.issuer }] })
    await away.stop()
    assert.equal((await listAs(house.raw, await away.sign({ aud: house.url }))).status, 503)
    const here = await provider.token({ resource: house.url })
    assert.equal((await listAs(house.raw, here)).status, 200)
  })
})

describe('a token that was accepted', () => {
  test('is refused once it is expired', async (t) => {
    const { house, clock, provider } = await world(t)
    const token = await provider.token({ resource: house.url })
    assert.equal((await listAs(house.raw, token)).status, 200)
    // Tokens live in whole seconds of the provider's own clock: there is room on both sides of the 30 s of skew.
    clock.skip(HOUR + 15 * SECOND)
    assert.equal((await listAs(house.raw, token)).status, 200)
    clock.skip(30 * SECOND)
    const answer = await listAs(house.raw, token)
    assert.equal(answer.status, 401)
    assert.equal(answer.response.error?.message, 'The access token is expired')
  })
})

describe('opaque tokens', () => {
  const introspection = { clientId: 'gateway', clientSecret: CLIENT_SECRET }

  test('are asked for once in a while, and accepted as the issuer says', async (t) => {
    const { house, clock, provider } = await world(t, { introspection })
    const asked = (): number => provider.requests.count((path) => path === '/token/introspection')
    const token = await provider.token({ resource: house.url, client: 'opaque' })
    assert.ok(!token.includes('.'))
    for (let time = 0; time < 3; time++) assert.equal((await listAs(house.raw, token)).status, 200)
    assert.equal(asked(), 1)
    await provider.revoke(token, 'opaque')
    assert.equal((await listAs(house.raw, token)).status, 200)
    clock.skip(31 * SECOND)
    const answer = await listAs(house.raw, token)
    assert.equal(answer.status, 401)
    assert.equal(answer.response.error?.message, 'The access token is not active')
    assert.equal(asked(), 2)
  })

  test('are refused where they are for somebody else, or unknown', async (t) => {
    const { house, provider } = await world(t, { introspection })
    const elsewhere = await provider.token({ resource: 'https://elsewhere.example/mcp', client: 'opaque' })
    assert.equal(
      (await listAs(house.raw, elsewhere)).response.error?.message,
      'The access token is meant for another resource',
    )
    assert.equal(
      (await listAs(house.raw, 'made-up')).response.error?.message,
      'The access token is not active',
    )
  })

  test('cannot be checked while the issuer is away, or does not trust the gateway', async (t) => {
    const { house, provider } = await world(t, { introspection: { ...introspection, clientSecret: 'wrong' } })
    const token = await provider.token({ resource: house.url, client: 'opaque' })
    assert.equal((await listAs(house.raw, token)).status, 503)
    assert.ok(!JSON.stringify(house.log.entries).includes(token))
    await provider.stop()
    assert.equal((await listAs(house.raw, token)).status, 503)
  })
})
