/**
 * The part of an address that one client cannot choose: all of an IPv4 address, the first 64 bits of an IPv6 address,
 * because whoever has one has all of that network (RFC 6177).
 */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const filled = tail === undefined ? groups : [...groups, ...zeros(8 - groups.length - last.length), ...last]
  return `${filled
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, '').toLowerCase())
    .join(':')}::/64`
}

function zeros(count: number): readonly string[] {
  return Array.from({ length: Math.max(0, count) }, () => '0')
}

/** True for an address of this machine. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}
