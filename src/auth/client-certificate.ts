import { X509Certificate, createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { networksOf } from '../config/auth-schema.ts'
import type { ClientCertificateConfig } from '../config/auth-types.ts'
import type { DoorRequest } from './credentials.ts'

/**
 * Reads the SHA-256 thumbprint (base64url, RFC 8705 §3.1) of the certificate that the client showed to a trusted proxy;
 * undefined where there is none, or where the word is not that of a trusted proxy.
 */
export type CertificateReader = (request: DoorRequest) => string | undefined

/** @param config undefined believes nobody */
export function createCertificateReader(config: ClientCertificateConfig | undefined): CertificateReader {
  if (config === undefined) return () => undefined
  const trusted = networksOf(config.trustedProxies)
  const read = config.header === 'client-cert' ? fromClientCert : fromForwarded
  return ({ headers, socket }) => {
    const address = socket.remoteAddress
    const value = headers[config.header]
    if (address === undefined || typeof value !== 'string') return undefined
    return trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') ? read(value) : undefined
  }
}

/** RFC 9440 §2.2: the certificate in DER, as a byte sequence of structured fields. */
function fromClientCert(value: string): string | undefined {
  const encoded = /^\s*:([A-Za-z0-9+/]+={0,2}):\s*$/.exec(value)?.[1]
  if (encoded === undefined) return undefined
  return createHash('sha256').update(Buffer.from(encoded, 'base64')).digest('base64url')
}

/** `X-Forwarded-Client-Cert` of Envoy; the last element is that of the proxy in front of us. */
function fromForwarded(value: string): string | undefined {
  const last = value.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/).at(-1) ?? ''
  const hash = /(?:^|;)\s*Hash=([0-9a-f]{64})(?:;|$)/i.exec(last)?.[1]
  if (hash !== undefined) return Buffer.from(hash, 'hex').toString('base64url')
  const pem = /(?:^|;)\s*Cert="([^"]*)"/i.exec(last)?.[1]
  return pem === undefined ? undefined : thumbprintOfPem(pem)
}

function thumbprintOfPem(encoded: string): string | undefined {
  try {
    const { raw } = new X509Certificate(decodeURIComponent(encoded))
    return createHash('sha256').update(raw).digest('base64url')
  } catch {
    return undefined
  }
}
