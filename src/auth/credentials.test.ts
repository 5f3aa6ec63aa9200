import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { GatewayError } from '../errors.ts'
import { type Credentials, readCredentials } from './credentials.ts'

const read = (headers: Readonly<Record<string, string>>, url = '/mcp'): Credentials | undefined =>
  readCredentials({ url, headers, socket: {} })

const refusal = (headers: Readonly<Record<string, string>>, url?: string): GatewayError => {
  try {
    read(headers, url)
  } catch (error) {
    if (error instanceof GatewayError) return error
  }
  throw new Error('it was accepted')
}

describe('credentials', () => {
  test('are a token in Authorization, or an API key there or in a header of its own', () => {
    assert.deepEqual(read({ authorization: 'Bearer a.b-c_~+/=' }), { scheme: 'bearer', secret: 'a.b-c_~+/=' })
    assert.deepEqual(read({ authorization: 'dpop x' }), { scheme: 'dpop', secret: 'x' })
    assert.deepEqual(read({ authorization: 'bearer tg_1_x' }), { scheme: 'api-key', secret: 'tg_1_x' })
    assert.deepEqual(read({ 'x-api-key': 'tg_1_x' }), { scheme: 'api-key', secret: 'tg_1_x' })
  })

  test('are none in a scheme that is not known', () => {
    for (const authorization of ['Basic YTpi', 'Negotiate x', 'Bearerx y', '', ' Bearer x'])
      assert.equal(read({ authorization }), undefined)
    assert.equal(read({}), undefined)
  })

  test('are refused where they are malformed, without repeating them', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (text) => {
        fc.pre(!/^\s*[A-Za-z0-9\-._~+/]+=*\s*$/.test(text))
        const { code, message, details } = refusal({ authorization: `Bearer ${text}` })
        assert.equal(code, 'INVALID_REQUEST')
        assert.equal(message, 'The Authorization header is malformed')
        const challenge = `Bearer error="invalid_request", error_description="${message}"`
        assert.deepEqual(details.headers, { 'www-authenticate': challenge })
      }),
    )
    assert.equal(refusal({ 'x-api-key': 'a b' }).message, 'X-API-Key is malformed')
  })

  test('are refused in the query string, however it is written', () => {
    for (const query of [
      '?access_token=x',
      '?a=b&ACCESS_TOKEN=',
      '?api-key=x',
      '?apikey=x',
      '?&access_token=x',
    ])
      assert.match(refusal({}, `/mcp${query}`).message, /query string/)
    assert.equal(read({}, '/messages?sessionId=access_token'), undefined)
    assert.equal(read({}, '/mcp/access_token'), undefined)
  })

  test('never stand in what is said about them', () => {
    fc.assert(
      fc.property(fc.base64String({ minLength: 20 }), (secret) => {
        for (const error of [
          refusal({ authorization: `Bearer ${secret}`, 'x-api-key': secret }),
          refusal({}, `/mcp?access_token=${secret}`),
        ])
          assert.ok(!JSON.stringify([error.message, error.details]).includes(secret))
      }),
    )
  })
})
