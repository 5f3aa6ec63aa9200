import { BlockList, isIP } from 'node:net'

/**
 * IPv4 addresses that are not part of the public internet (IANA IPv4 Special-Purpose Address Registry, RFC 6890), and
 * multicast. Relays of old transition mechanisms are among them.
 */
const SPECIAL_V4: readonly string[] = [
  '0.0.0.0/8', // this network, unspecified
  '10.0.0.0/8', // private
  '100.64.0.0/10', // carrier-grade NAT
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, where clouds have their metadata services
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16', // private
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
]

/**
 * IPv6 addresses of public hosts come from 2000::/3 (RFC 4291 §2.4). That leaves out ::, ::1, IPv4-mapped (::ffff:0:0/96),
 * NAT64 (64:ff9b::/96, 64:ff9b:1::/48), unique local (fc00::/7), link-local (fe80::/10), site-local and multicast (ff00::/8).
 */
const GLOBAL_V6 = '2000::/3'

/** What is special within it (IANA IPv6 Special-Purpose Address Registry). */
const SPECIAL_V6: readonly string[] = [
  '2001::/23', // protocol assignments, among them Teredo, which holds IPv4 addresses
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4, which holds IPv4 addresses
  '3fff::/20', // documentation
]

// One list for each family: a list of both would find IPv4 addresses under IPv4-mapped networks.
const specialV4 = listOf(SPECIAL_V4, 'ipv4')
const globalV6 = listOf([GLOBAL_V6], 'ipv6')
const specialV6 = listOf(SPECIAL_V6, 'ipv6')

function listOf(networks: readonly string[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix] = network.split('/')
    list.addSubnet(address, Number(prefix), family)
  }
  return list
}

/** True for the address of a host on the public internet; false for every other, and for what is no IP address. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !specialV4.check(address, 'ipv4')
    case 6:
      return globalV6.check(address, 'ipv6') && !specialV6.check(address, 'ipv6')
    default:
      return false
  }
}
