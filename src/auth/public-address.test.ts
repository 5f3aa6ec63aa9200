import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { isPublicAddress } from './public-address.ts'

describe('a public address', () => {
  test('is one that anybody may reach', () => {
    for (const address of [
      '1.1.1.1',
      '8.8.8.8',
      '172.15.255.255',
      '172.32.0.0',
      '100.63.255.255',
      '100.128.0.0',
    ]) {
      assert.ok(isPublicAddress(address), address)
    }
    for (const address of ['2606:4700:4700::1111', '2a00:1450::1', '2001:4860:4860::8888', '2003::1']) {
      assert.ok(isPublicAddress(address), address)
    }
  })

  test('is none of those that mean this machine, its network, or something special', () => {
    const special = [
      ['unspecified', '0.0.0.0', '0.1.2.3', '::', '0:0:0:0:0:0:0:0'],
      ['loopback', '127.0.0.1', '127.255.255.254', '::1'],
      ['private', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.255.255'],
      ['link-local', '169.254.169.254', 'fe80::1', 'fe80::1%eth0', 'febf::1'],
      ['carrier-grade NAT', '100.64.0.1', '100.127.255.255'],
      ['unique local', 'fc00::1', 'fd00:ec2::254', 'fdff::1'],
      ['site-local', 'fec0::1'],
      ['IPv4-mapped', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:8.8.8.8'],
      ['IPv4-compatible', '::127.0.0.1', '::10.0.0.1'],
      ['NAT64', '64:ff9b::7f00:1', '64:ff9b::8.8.8.8', '64:ff9b:1::1'],
      ['6to4', '2002:7f00:1::', '2002:a00:1::1', '192.88.99.1'],
      ['Teredo', '2001::1', '2001:0:7f00:1::'],
      ['multicast', '224.0.0.1', '239.255.255.255', 'ff02::1'],
      ['broadcast and reserved', '255.255.255.255', '240.0.0.1'],
      ['documentation', '192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1'],
      ['benchmarks', '198.18.0.1', '198.19.255.255'],
      ['no address', '', 'localhost', '127.1', '0x7f000001', '2130706433', '1.1.1.1 ', '[::1]'],
    ] as const
    for (const [kind, ...addresses] of special) {
      for (const address of addresses) assert.ok(!isPublicAddress(address), `${kind}: ${address}`)
    }
  })

  test('hides nowhere in the mappings of IPv4 into IPv6', () => {
    const hex = (a: number, b: number): string => ((a << 8) | b).toString(16)
    fc.assert(
      fc.property(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)), ([a, b, c, d]) => {
        const [high, low] = [hex(a, b), hex(c, d)]
        for (const address of [
          `::ffff:${high}:${low}`,
          `::${high}:${low}`,
          `64:ff9b::${high}:${low}`,
          `2002:${high}:${low}::1`,
        ]) {
          assert.ok(!isPublicAddress(address), address)
        }
      }),
    )
  })
})
