import type { Socket } from 'node:net'

const LOOPBACK = /^(?:127\.|::1$|::ffff:127\.)/

/**
 * Whom an HTTP client is taken for where nobody says who they are: the network that it calls from. IPv6 clients choose
 * the lower half of their address as they like, so that it says nothing. On loopback all have the same: undefined.
 */
export function networkOf({ remoteAddress }: Pick<Socket, 'remoteAddress'>): string | undefined {
  if (remoteAddress === undefined || LOOPBACK.test(remoteAddress)) return undefined
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remoteAddress)
  if (mapped !== null) return mapped[1]
  return remoteAddress.includes(':') ? upperHalf(remoteAddress) : remoteAddress
}

/** The first 64 bits of an IPv6 address, in one spelling. */
function upperHalf(address: string): string {
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? []
  const groups = head === '' ? [] : head.split(':')
  const rest = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - groups.length - rest.length
  const all = [...groups, ...Array.from({ length: zeros }, () => '0'), ...rest]
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
