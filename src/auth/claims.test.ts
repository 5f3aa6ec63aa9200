import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { IssuerConfig } from '../config/auth-types.ts'
import { readClaims } from './claims.ts'
import { CredentialError } from './refusal.ts'

const NAMES = {
  scopes: ['scope', 'scp'],
  client: ['client_id', 'azp'],
  groups: ['groups'],
  tenant: ['tenant'],
}
const CONFIG: IssuerConfig = {
  issuer: 'https://issuer.example',
  audience: ['mcp-gateway'],
  algorithms: ['ES256'],
  dpop: 'optional',
  claims: NAMES,
}
const principalOf = (claims: Readonly<Record<string, unknown>>, names = {}) =>
  readClaims({ sub: 'alice', ...claims }, { ...CONFIG, claims: { ...NAMES, ...names } }, 5000).principal

describe('claims', () => {
  test('say who somebody is, in the words of RFC 9068', () => {
    const claims = { client_id: 'app', scope: 'read write', groups: ['dev'], tenant: 't', aud: 'x' }
    const { id, ...principal } = principalOf(claims)
    assert.deepEqual(principal, {
      anonymous: false,
      issuer: 'https://issuer.example',
      subject: 'alice',
      client: 'app',
      tenant: 't',
      scopes: new Set(['read', 'write']),
      groups: new Set(['dev']),
      claims: { sub: 'alice', ...claims },
      expiresAt: 5000,
    })
    assert.match(id, /^[\w-]{43}$/)
  })

  test('may hold scopes as a list, or under the other name', () => {
    assert.deepEqual(principalOf({ scp: ['read', 'write'] }).scopes, new Set(['read', 'write']))
    assert.deepEqual(principalOf({ scp: 'read  write ' }).scopes, new Set(['read', 'write']))
    assert.deepEqual(principalOf({ scope: 'a', scp: 'b' }).scopes, new Set(['a']))
    for (const scope of [undefined, 5, null, {}, [1, null], ''])
      assert.deepEqual(principalOf({ scope }).scopes, new Set())
  })

  test('are found by the names of the operator, flat before nested', () => {
    const names = { groups: ['realm_access.roles'], tenant: ['https://x.example/org'] }
    const nested = { realm_access: { roles: ['admin user'] }, 'https://x.example/org': 'o' }
    const principal = principalOf(nested, names)
    assert.deepEqual([principal.groups, principal.tenant], [new Set(['admin user']), 'o'])
    const both = { 'realm_access.roles': ['flat'], ...nested }
    assert.deepEqual(principalOf(both, names).groups, new Set(['flat']))
    for (const path of ['constructor.name', '__proto__.x', 'sub.length'])
      assert.deepEqual(principalOf({}, { groups: [path] }).groups, new Set(), path)
  })

  test('make the same identity whatever the scopes, and another for any other member', () => {
    const base = { client_id: 'app', tenant: 't' }
    const { id } = principalOf(base)
    assert.equal(principalOf({ ...base, scope: 'x', jti: '1', groups: ['g'] }).id, id)
    for (const other of [{ sub: 'bob' }, { client_id: 'b' }, { tenant: 'u' }, { tenant: undefined }])
      assert.notEqual(principalOf({ ...base, ...other }).id, id)
  })

  test('name nobody without a subject or a client', () => {
    assert.equal(readClaims({ client_id: 'app' }, CONFIG, 0).principal.subject, 'app')
    for (const sub of [undefined, '', 5, ['a']])
      assert.throws(() => readClaims({ sub }, CONFIG, 0), CredentialError)
  })

  test('say for whom the token is, and what it is bound to', () => {
    const { audiences, anyRoute } = readClaims({ sub: 'a', aud: ['HTTPS://X.example', 'y'] }, CONFIG, 0)
    assert.deepEqual([audiences, anyRoute], [new Set(['https://x.example', 'y']), false])
    assert.equal(readClaims({ sub: 'a', aud: 'mcp-gateway' }, CONFIG, 0).anyRoute, true)
    // One text is one audience, spaces or not.
    assert.equal(readClaims({ sub: 'a', aud: 'x mcp-gateway' }, CONFIG, 0).anyRoute, false)
    assert.deepEqual(readClaims({ sub: 'a', cnf: { jkt: 'k' } }, CONFIG, 0).binding, {
      kind: 'dpop',
      thumbprint: 'k',
    })
    for (const cnf of [null, {}, { jkt: 5 }, { jwk: {} }, 'x'])
      assert.throws(() => readClaims({ sub: 'a', cnf }, CONFIG, 0), /bound in a way/)
  })

  test('of any shape are read or refused, and nothing else happens', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('sub', 'aud', 'scope', 'scp', 'groups', 'tenant', 'cnf', 'azp'),
          fc.jsonValue(),
        ),
        (claims) => {
          try {
            readClaims(claims, CONFIG, 0)
          } catch (error) {
            assert.ok(error instanceof CredentialError)
          }
        },
      ),
    )
  })
})
