import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TOKEN_ALGORITHMS } from './auth-types.ts'
import { parseConfig } from './load.ts'
import { formatProblem } from './problem.ts'
import type { Config } from './types.ts'

const parse = (settings: object, env = {}): ReturnType<typeof parseConfig> =>
  parseConfig({ name: 'x.yaml', text: JSON.stringify({ backends: {}, ...settings }), dir: '/' }, env)

const configOf = (settings: object, env = {}): Config => {
  const result = parse(settings, env)
  assert.ok(result.ok, JSON.stringify(result))
  return result.config
}

const problemsOf = (settings: object, env = {}): readonly string[] => {
  const result = parse(settings, env)
  return result.ok
    ? []
    : result.problems.map((problem) => formatProblem(problem).replace(/^x.yaml:\d+:\d+: /, ''))
}

const ISSUER = 'https://auth.example.com'
const OPEN = { listen: '0.0.0.0:8080' }
const SECURE_URL = 'expected an https:// URL without user, query and fragment (http:// only on loopback)'

describe('auth', () => {
  test('takes one issuer in short, with the seed’s audience as a text', () => {
    const { auth } = configOf({ auth: { issuer: ISSUER, audience: 'mcp-gateway' } })
    assert.deepEqual(auth, {
      issuers: [
        {
          issuer: ISSUER,
          audience: ['mcp-gateway'],
          algorithms: TOKEN_ALGORITHMS,
          jwksUri: undefined,
          introspection: undefined,
          dpop: 'optional',
          claims: {
            scopes: ['scope', 'scp'],
            client: ['client_id', 'azp'],
            groups: ['groups'],
            tenant: ['tenant'],
          },
        },
      ],
      anonymous: false,
      scopesSupported: [],
      clockSkew: 30_000,
      keysStaleFor: 3_600_000,
      clientCertificate: undefined,
    })
  })

  test('takes several issuers, each with its own settings', () => {
    const introspection = { clientId: 'me', clientSecret: '${env:SECRET}' }
    const { auth } = configOf(
      {
        auth: {
          issuers: [
            { issuer: ISSUER, algorithms: ['RS256', 'EdDSA'], introspection },
            { issuer: 'http://127.0.0.1:9' },
          ],
        },
      },
      { SECRET: 's3cret' },
    )
    assert.deepEqual(
      auth?.issuers.map(({ issuer }) => issuer),
      [ISSUER, 'http://127.0.0.1:9'],
    )
    assert.deepEqual(auth.issuers[0]?.algorithms, ['RS256', 'EdDSA'])
    assert.deepEqual(auth.issuers[0].introspection, {
      clientId: 'me',
      clientSecret: 's3cret',
      cacheFor: 30_000,
    })
  })

  test('is not there where it is not written, and closes the door where it is empty', () => {
    assert.equal(configOf({}).auth, undefined)
    const closed = parse({ auth: {} })
    assert.ok(closed.ok)
    assert.deepEqual(closed.config.auth?.issuers, [])
    assert.match(JSON.stringify(closed.warnings), /nobody can come in/)
  })

  const WRONG: readonly (readonly [what: string, auth: object, problem: string | RegExp])[] = [
    [
      'an issuer over http',
      { issuer: 'http://auth.example.com' },
      `auth.issuer: ${SECURE_URL}; found "http://auth.example.com"`,
    ],
    ['an issuer with a query', { issuer: `${ISSUER}?a=b` }, /^auth\.issuer: expected an https/],
    ['an issuer with a password', { issuer: 'https://a:b@example.com' }, /^auth\.issuer: expected an https/],
    [
      'keys over http',
      { issuer: ISSUER, jwksUri: 'http://169.254.169.254/' },
      /^auth\.jwksUri: expected an https/,
    ],
    [
      'no signature',
      { issuer: ISSUER, algorithms: ['none'] },
      /^auth\.algorithms\[0\]: expected RS256, .*; found "none"/,
    ],
    [
      'a shared secret',
      { issuer: ISSUER, algorithms: ['HS256'] },
      /^auth\.algorithms\[0\]: .*found "HS256"; did you mean/,
    ],
    [
      'a setting of an issuer beside none',
      { audience: 'x' },
      'auth.audience: belongs to an issuer: set auth.issuer, or move it into an entry of auth.issuers',
    ],
    [
      'an issuer twice',
      { issuer: ISSUER, issuers: [{ issuer: ISSUER }] },
      'auth.issuers[0].issuer: this issuer is configured already',
    ],
    [
      'every scope',
      { issuer: ISSUER, scopesSupported: ['*'] },
      /^auth\.scopesSupported: expected scopes by name, without wildcards/,
    ],
    [
      'refresh tokens',
      { issuer: ISSUER, scopesSupported: 'offline_access' },
      /^auth\.scopesSupported: expected scopes by name/,
    ],
    [
      'a proxy by name',
      { issuer: ISSUER, clientCertificate: { header: 'client-cert', trustedProxies: ['proxy'] } },
      /^auth\.clientCertificate\.trustedProxies: expected IP addresses/,
    ],
    [
      'a wrong secret',
      { issuer: ISSUER, introspection: { clientId: 'a', clientSecret: 5 } },
      'auth.introspection.clientSecret: expected text; found a number',
    ],
  ]
  for (const [what, auth, problem] of WRONG) {
    test(`refuses ${what}`, () => {
      const [found, ...more] = problemsOf({ auth })
      if (typeof problem === 'string') assert.equal(found, problem)
      else assert.match(found ?? '', problem)
      assert.deepEqual(more, [])
    })
  }
})

describe('an address on the network', () => {
  test('needs no consent where callers are authenticated, but the URL by which they know it', () => {
    const auth = { issuer: ISSUER }
    assert.deepEqual(problemsOf({ auth, gateway: { ...OPEN, publicUrl: 'https://mcp.example.com' } }), [])
    assert.deepEqual(problemsOf({ auth, gateway: OPEN }), [
      'gateway.publicUrl: missing: tokens are meant for the URL by which clients reach the gateway; name it, such as https://mcp.example.com',
    ])
    assert.deepEqual(problemsOf({ auth: { apiKeys: {} }, gateway: OPEN }), [])
  })

  test('needs the ugly consent where anybody may call, and is warned of even then', () => {
    for (const auth of [undefined, { issuer: ISSUER, anonymous: true }]) {
      const gateway = { ...OPEN, publicUrl: 'https://mcp.example.com/' }
      const settings = auth === undefined ? { gateway } : { gateway, auth }
      assert.match(problemsOf(settings)[0] ?? '', /^gateway\.listen: callers are not authenticated/)
      const consent = 'i-understand-that-anyone-who-connects-can-call-every-tool'
      const result = parse({
        ...settings,
        gateway: { ...gateway, allowUnauthenticatedNetworkAccess: consent },
      })
      assert.ok(result.ok)
      assert.equal(result.config.gateway.publicUrl, 'https://mcp.example.com')
      assert.deepEqual(
        result.warnings
          .map(({ path, message }) => `${path}: ${message}`)
          .filter((text) => !text.startsWith('backends')),
        ['gateway.listen: reachable from the network without authentication: whoever can connect can call'],
      )
    }
  })
})
