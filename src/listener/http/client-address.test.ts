import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { ForwardedHeader } from '../../config/types.ts'
import { clientReader } from './client-address.ts'

const PROXIES = ['10.0.0.0/8', 'fd00::/8', '127.0.0.1']

/** The address that is read off a request with that header from that peer. */
function read(peer: string, header: string | undefined, kind: ForwardedHeader = 'x-forwarded-for'): string {
  const reader = clientReader({ trustedProxies: PROXIES, forwardedHeader: kind })
  const request = { socket: { remoteAddress: peer }, headers: { [kind]: header } }
  return reader(request as unknown as IncomingMessage).address
}

describe('the address of a client', () => {
  test('is the other end, unless that is a trusted proxy', () => {
    assert.equal(read('192.0.2.1', '198.51.100.1'), '192.0.2.1')
    assert.equal(read('10.0.0.1', '198.51.100.1'), '198.51.100.1')
    assert.equal(read('10.0.0.1', undefined), '10.0.0.1')
    assert.equal(read('::ffff:10.0.0.1', '198.51.100.1'), '198.51.100.1')
    assert.equal(read('::ffff:192.0.2.1', 'x'), '192.0.2.1')
    assert.equal(read('fd00::7%eth0', '[2001:db8::1]:443'), '2001:db8::1')
  })

  test('is the last that is no proxy; what stands before is not believed', () => {
    assert.equal(read('10.0.0.1', '1.1.1.1, 198.51.100.1:4711 , 10.9.9.9'), '198.51.100.1')
    assert.equal(read('10.0.0.1', '10.0.0.3, 10.0.0.2'), '10.0.0.3')
    // What is no address is as far back as can be seen.
    assert.equal(read('10.0.0.1', '1.1.1.1, unknown, 10.0.0.2'), '10.0.0.2')
    assert.equal(read('10.0.0.1', '1.1.1.1,,'), '10.0.0.1')
  })

  test('is read off Forwarded where that is what proxies set', () => {
    assert.equal(read('10.0.0.1', 'for=198.51.100.1;proto=https', 'forwarded'), '198.51.100.1')
    assert.equal(read('10.0.0.1', 'For="[2001:db8::1]:80", by=x;for=10.0.0.2', 'forwarded'), '2001:db8::1')
    assert.equal(read('10.0.0.1', 'for=1.1.1.1, for="_a, for=2.2.2.2"', 'forwarded'), '10.0.0.1')
    assert.equal(read('10.0.0.1', 'proto=https', 'forwarded'), '10.0.0.1')
  })

  const claims = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.string({ unit: fc.constantFrom('for=1.1.1.1', '"', ',', ';', 'x='), maxLength: 12 }),
  )

  test('cannot be chosen by a client, whatever it sends', () => {
    fc.assert(
      fc.property(claims, (claim) => {
        assert.equal(read('10.0.0.1', `${claim}, 198.51.100.1`), '198.51.100.1')
        for (const own of ['for=198.51.100.1', 'by=10.0.0.1;for="198.51.100.1:80"'])
          assert.equal(read('10.0.0.1', `${claim}, ${own}`, 'forwarded'), '198.51.100.1')
        assert.equal(read('192.0.2.1', claim), '192.0.2.1')
        assert.equal(read('192.0.2.1', claim, 'forwarded'), '192.0.2.1')
      }),
    )
  })

  test('is made once for a connection, and once for each client that speaks through it', () => {
    const reader = clientReader({ trustedProxies: PROXIES, forwardedHeader: 'x-forwarded-for' })
    const socket = { remoteAddress: '10.0.0.1' }
    const from = (header: string): ReturnType<typeof reader> =>
      reader({ socket, headers: { 'x-forwarded-for': header } } as unknown as IncomingMessage)
    assert.equal(from('192.0.2.1'), from('192.0.2.1'))
    assert.equal(from('192.0.2.2').latest.address, '192.0.2.2')
  })
})
