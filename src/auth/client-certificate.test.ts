import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createCertificateReader } from './client-certificate.ts'

const DER = Buffer.from('a certificate in DER, as far as anybody looks')
const THUMBPRINT = createHash('sha256').update(DER).digest('base64url')
const HEX = createHash('sha256').update(DER).digest('hex')

const read = (
  header: 'client-cert' | 'x-forwarded-client-cert',
  value: string,
  remoteAddress = '10.1.2.3',
): string | undefined =>
  createCertificateReader({ header, trustedProxies: ['10.0.0.0/8', '::1'] })({
    headers: { [header]: value },
    socket: { remoteAddress },
  })

describe('the certificate of a client', () => {
  test('is read from Client-Cert (RFC 9440)', () => {
    assert.equal(read('client-cert', `:${DER.toString('base64')}:`), THUMBPRINT)
    for (const value of ['', DER.toString('base64'), ':a b:', '::', `:${DER.toString('base64')}:, :AA==:`])
      assert.equal(read('client-cert', value), undefined)
  })

  test('is read from the last element of X-Forwarded-Client-Cert', () => {
    const mine = `By=spiffe://x;Hash=${HEX};Subject="CN=a,O=\\"b"`
    assert.equal(read('x-forwarded-client-cert', `Hash=${HEX}`), THUMBPRINT)
    assert.equal(read('x-forwarded-client-cert', `Hash=${'0'.repeat(64)},Hash=${HEX}`), THUMBPRINT)
    assert.notEqual(read('x-forwarded-client-cert', `${mine},Hash=${'0'.repeat(64)}`), THUMBPRINT)
    for (const value of ['', 'Hash=xyz', `XHash=${HEX}`, 'Cert="%"', 'Cert="no"'])
      assert.equal(read('x-forwarded-client-cert', value), undefined)
  })

  test('is believed of trusted proxies only, whatever form their address has', () => {
    const value = `:${DER.toString('base64')}:`
    for (const address of ['10.255.0.1', '::ffff:10.0.0.1', '::1'])
      assert.equal(read('client-cert', value, address), THUMBPRINT)
    for (const address of ['11.0.0.1', '::2', '127.0.0.1', ''])
      assert.equal(read('client-cert', value, address), undefined)
    const none = createCertificateReader(undefined)
    assert.equal(
      none({ headers: { 'client-cert': value }, socket: { remoteAddress: '10.0.0.1' } }),
      undefined,
    )
  })

  test('is none in any other text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const header of ['client-cert', 'x-forwarded-client-cert'] as const) {
          const found = read(header, text)
          assert.ok(found === undefined || /^[\w-]{43}$/.test(found))
        }
      }),
    )
  })
})
