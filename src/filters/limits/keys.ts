import type { KeyPart } from '../../config/limits-types.ts'
import type { Permitted } from '../../pipeline/call.ts'
import { networkOf } from '../../pipeline/network.ts'

/** The issuer of principals that came with an API key. */
const API_KEYS = 'toolgate:keys'

/** Reads one part of a key off a call. */
export type KeyReader = (call: Permitted) => string

/**
 * What reads a key off a call. Values stand with their lengths where there are several, so that no two keys of
 * different values are alike.
 *
 * @param pipe stands for the one client of a pipe, and is different in every process
 */
export function keyReader(parts: readonly KeyPart[], pipe: string): KeyReader {
  const readers = parts.map((part) => readerOf(part, pipe))
  const [first] = readers
  if (first === undefined) return () => ''
  if (readers.length === 1) return first
  return (call) => {
    let key = ''
    for (const read of readers) {
      const value = read(call)
      key += `${value.length}:${value}`
    }
    return key
  }
}

/** Who a caller is as far as limits are concerned: anonymous ones are told apart by their address, not by sessions, which anybody can open. */
export function callerReader(pipe: string): KeyReader {
  const address = addressReader(pipe)
  return (call) => (call.principal.anonymous ? address(call) : `id ${call.principal.id}`)
}

function readerOf(part: KeyPart, pipe: string): KeyReader {
  const caller = callerReader(pipe)
  switch (part) {
    case 'principal':
      return caller
    case 'tenant':
      return ({ principal }) => (principal.anonymous ? '' : (principal.tenant ?? ''))
    case 'client':
      return (call) => {
        const { principal } = call
        return principal.anonymous || principal.client === undefined
          ? caller(call)
          : `client ${principal.client}`
      }
    case 'apiKey':
      return (call) => {
        const { principal } = call
        return principal.anonymous || principal.issuer !== API_KEYS
          ? caller(call)
          : `key ${principal.subject}`
      }
    case 'address':
      return addressReader(pipe)
    case 'route':
      return ({ route }) => (route.kind === 'backend' ? route.backend : '')
    case 'backend':
      return backendOf
    case 'tool':
      return toolOf
    case 'method':
      return ({ method }) => method
  }
}

function addressReader(pipe: string): KeyReader {
  // Calls of one client follow each other, and a new string is dear to look up.
  let last = { address: '', key: '' }
  return ({ downstream: { address, label } }) => {
    if (label !== undefined) return `label ${label}`
    if (address === undefined) return pipe
    if (address !== last.address) last = { address, key: `address ${networkOf(address)}` }
    return last.key
  }
}

/** The backend that a call is for; empty for calls of several. */
export function backendOf({ permit }: Permitted): string {
  return permit.target.kind === 'one' ? permit.target.backend : ''
}

/** The tool that is called, by its backend's name for it; empty for what is no tool call. */
export function toolOf({ permit, method }: Permitted): string {
  return permit.target.kind === 'one' && method === 'tools/call' ? (permit.target.name ?? '') : ''
}
