import { GatewayError } from '../errors.ts'
import { decodeHeaderValue } from './headers.ts'
import { type JsonObject, member, rawOf, stringOf } from './json.ts'
import type { Message, NotificationMessage, RequestMessage } from './message.ts'
import { META } from './meta.ts'
import { nameParamOf } from './methods.ts'
import { type Era, MODERN_VERSIONS, isModernVersion } from './versions.ts'

/** Reads a header by its lower-case name; undefined where it is missing. */
export type HeaderReader = (name: string) => string | undefined

/**
 * The era of a message, judged by its body first: a version in `_meta` claims the modern era, `initialize` without
 * one is legacy, and the header decides only where the body says nothing.
 */
export function eraOf(message: Message, versionHeader: string | undefined): Era {
  if (message.kind === 'result' || message.kind === 'error') return 'legacy'
  if (versionNode(message.params) !== undefined) return 'modern'
  if (message.method === 'initialize') return 'legacy'
  return versionHeader !== undefined && isModernVersion(versionHeader) ? 'modern' : 'legacy'
}

/**
 * The rungs that a modern request must pass before its method is looked at, in the order of the specification
 * (2026-07-28, basic/transports/streamable-http "Server Validation"; basic/index "_meta").
 *
 * @param headers undefined on transports without headers
 * @returns the version that the request speaks
 * @throws GatewayError HEADER_MISMATCH, INVALID_PARAMS or UNSUPPORTED_VERSION
 */
export function checkModernRequest(message: RequestMessage, headers: HeaderReader | undefined): string {
  const versionHeader = headers?.('mcp-protocol-version')
  if (headers !== undefined && versionHeader === undefined) throw mismatch('MCP-Protocol-Version is missing')
  const version = checkMeta(message)
  if (versionHeader !== undefined && versionHeader !== version) {
    throw mismatch(
      `MCP-Protocol-Version is "${versionHeader.slice(0, 40)}" but the body says "${version.slice(0, 40)}"`,
    )
  }
  if (!MODERN_VERSIONS.includes(version)) {
    throw new GatewayError('UNSUPPORTED_VERSION', 'Unsupported protocol version', {
      data: { supported: MODERN_VERSIONS, requested: version.slice(0, 100) },
    })
  }
  if (headers !== undefined) checkMirrors(message, headers)
  return version
}

/** Header rules for posted notifications are undefined; one that claims another method is refused all the same. */
export function checkModernNotification(message: NotificationMessage, headers: HeaderReader): void {
  const method = headers('mcp-method')
  if (method !== undefined && method !== message.method) throw mismatch('Mcp-Method differs from the body')
}

function versionNode(params: JsonObject | undefined): ReturnType<typeof member> {
  return member(member(params, '_meta'), META.protocolVersion)
}

function checkMeta(message: RequestMessage): string {
  const meta = member(message.params, '_meta')
  if (meta?.kind !== 'object') {
    throw new GatewayError(
      'INVALID_PARAMS',
      `"params._meta" must carry ${META.protocolVersion} and ${META.clientCapabilities}`,
    )
  }
  const version = stringOf(message.text, member(meta, META.protocolVersion))
  if (version === undefined) throw badMeta(META.protocolVersion, 'a string')
  if (member(meta, META.clientCapabilities)?.kind !== 'object')
    throw badMeta(META.clientCapabilities, 'an object')
  const info = member(meta, META.clientInfo)
  if (info !== undefined && info.kind !== 'object') throw badMeta(META.clientInfo, 'an object')
  const token = member(meta, META.progressToken)
  if (token !== undefined && token.kind !== 'string' && token.kind !== 'number') {
    throw badMeta(META.progressToken, 'a string or a number')
  }
  return version
}

function badMeta(key: string, what: string): GatewayError {
  return new GatewayError('INVALID_PARAMS', `"params._meta" needs ${key}, ${what}`)
}

function checkMirrors(message: RequestMessage, headers: HeaderReader): void {
  const method = headers('mcp-method')
  if (method === undefined) throw mismatch('Mcp-Method is missing')
  if (method !== message.method)
    throw mismatch(
      `Mcp-Method is "${method.slice(0, 100)}" but the body says "${message.method.slice(0, 100)}"`,
    )
  const param = nameParamOf(message.method)
  if (param === undefined) return
  const node = member(message.params, param)
  const value = stringOf(message.text, node)
  const header = headers('mcp-name')
  if (header === undefined) {
    // A body without the name is wrong in itself, and is told so once its method is carried out.
    if (value === undefined) return
    throw mismatch('Mcp-Name is missing')
  }
  const decoded = decodeHeaderValue(header)
  if (decoded === undefined) throw mismatch('Mcp-Name is not a valid header value')
  if (decoded !== value) {
    const body = node === undefined ? 'nothing' : rawOf(message.text, node).slice(0, 100)
    throw mismatch(`Mcp-Name is "${decoded.slice(0, 100)}" but the body says ${body}`)
  }
}

function mismatch(what: string): GatewayError {
  return new GatewayError('HEADER_MISMATCH', `Header mismatch: ${what}`)
}
