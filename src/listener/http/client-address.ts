import type { HttpRequest } from './exchange.ts'
import { BlockList, isIP } from 'node:net'
import type { ForwardedHeader } from '../../config/types.ts'
import type { Downstream } from '../../pipeline/call.ts'
import { MODERN_VERSION } from '../../protocol/versions.ts'

/** Where a request comes from. Made once per connection, or per client of a connection of a proxy. */
export interface HttpClient {
  /** IPv4 or IPv6, without port or zone. */
  readonly address: string
  /** What calls of the newest modern revision from there say of their client. */
  readonly latest: Downstream
}

/** Tells where a request comes from. */
export type ClientReader = (request: HttpRequest) => HttpClient

/** Which proxies are believed. */
export interface ProxySettings {
  /** Addresses and networks (CIDR) of proxies. */
  readonly trustedProxies: readonly string[]
  /** The header in which they say for whom they speak. */
  readonly forwardedHeader: ForwardedHeader
}

/**
 * What tells where requests come from: the other end of the connection or, where that is a trusted proxy, the last
 * address in its header that is none. Whatever stands before that address is the word of somebody who is not trusted.
 */
export function clientReader({ trustedProxies, forwardedHeader }: ProxySettings): ClientReader {
  const peers = new WeakMap<object, HttpClient>()
  const peerOf: ClientReader = ({ socket }) => {
    let peer = peers.get(socket)
    if (peer === undefined) {
      peer = clientAt(bare(socket.remoteAddress ?? ''))
      peers.set(socket, peer)
    }
    return peer
  }
  if (trustedProxies.length === 0) return peerOf
  const isTrusted = trust(trustedProxies)
  const entriesOf = forwardedHeader === 'forwarded' ? forwardedFor : listed
  /** The last client of each connection: most proxies keep a connection for one for a while. */
  const last = new WeakMap<object, { readonly header: string; readonly client: HttpClient }>()
  return (request) => {
    const peer = peerOf(request)
    const header = textOf(request.headers[forwardedHeader])
    if (header === '' || !isTrusted(peer.address)) return peer
    const known = last.get(request.socket)
    if (known?.header === header) return known.client
    const client = clientAt(lastUntrusted(peer.address, entriesOf(header), isTrusted))
    last.set(request.socket, { header, client })
    return client
  }
}

function clientAt(address: string): HttpClient {
  const version = MODERN_VERSION
  return { address, latest: { era: 'modern', version, transport: 'http', session: undefined, address } }
}

type Trust = (address: string) => boolean

function trust(networks: readonly string[]): Trust {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return (address) => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** What is no address was hidden by the hop after it, and is as far back as can be seen. */
function lastUntrusted(peer: string, entries: readonly string[], isTrusted: Trust): string {
  let current = peer
  for (const entry of entries) {
    const address = addressIn(entry)
    if (address === undefined) return current
    current = address
    if (!isTrusted(address)) return address
  }
  return current
}

/** The entries of a list, the last one first. */
function listed(header: string): readonly string[] {
  return header
    .split(',')
    .toReversed()
    .map((entry) => entry.trim())
}

/** The `for` parameter of each element, the last one first (RFC 7239 §4, §5.2); empty where an element has none. */
function forwardedFor(header: string): readonly string[] {
  return elementsOf(header).map((element) => {
    const value = /(?:^|;)\s*for\s*=\s*("[^"]*"|[^";\s]*)/i.exec(element.trim())?.[1] ?? ''
    return value.replace(/^"|"$/g, '')
  })
}

/** Split from the end, where the trusted word is: a quotation that a client leaves open must not swallow it. */
function elementsOf(header: string): readonly string[] {
  const elements: string[] = []
  let end = header.length
  let isQuoted = false
  for (let index = header.length - 1; index >= 0; index--) {
    if (header[index] === '"') isQuoted = !isQuoted
    if (header[index] !== ',' || isQuoted) continue
    elements.push(header.slice(index + 1, end))
    end = index
  }
  elements.push(header.slice(0, end))
  return elements
}

/** The address of an entry such as `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`. */
function addressIn(entry: string): string | undefined {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(entry)?.[1]
  const plain = bracketed ?? /^([\d.]+):\d+$/.exec(entry)?.[1] ?? entry
  const address = bare(plain)
  return isIP(address) === 0 ? undefined : address
}

/** Without zone, and an IPv4 address as one. */
function bare(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
}

function textOf(value: string | readonly string[] | undefined): string {
  return typeof value === 'string' ? value : (value?.join(',') ?? '')
}
