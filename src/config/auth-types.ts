import type { ApiKeysConfig } from './api-keys-schema.ts'

/** Algorithms by which tokens may be signed: asymmetric only, so that a public key is never taken for a secret. */
export const TOKEN_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

/** How a token may be signed. */
export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number]

/** The names of the claims that say who somebody is. A dotted name that is no claim itself is a path into objects. */
export interface ClaimNames {
  /** Default `scope`, then `scp`. */
  readonly scopes: readonly string[]
  /** Default `client_id`, then `azp`. */
  readonly client: readonly string[]
  /** Default `groups`. */
  readonly groups: readonly string[]
  /** Default `tenant`. */
  readonly tenant: readonly string[]
}

/** How the gateway asks an issuer about opaque tokens (RFC 7662). */
export interface IntrospectionConfig {
  readonly clientId: string
  /** Secret. */
  readonly clientSecret: string
  /** Default: what the metadata of the issuer says. */
  readonly endpoint?: string | undefined
  /** Milliseconds for which an answer is believed. Default 30 s. */
  readonly cacheFor: number
}

/** An authorization server whose tokens are accepted. */
export interface IssuerConfig {
  /** The issuer identifier, compared character by character. */
  readonly issuer: string
  /** Audiences accepted on every route, beside the route's own resource identifier. Default none. */
  readonly audience: readonly string[]
  readonly algorithms: readonly TokenAlgorithm[]
  /** Where the keys are. Default: what the metadata of the issuer says. */
  readonly jwksUri?: string | undefined
  /** Undefined refuses opaque tokens. */
  readonly introspection?: IntrospectionConfig | undefined
  /** Whether tokens must be bound to a key of the client (RFC 9449). Default `optional`. */
  readonly dpop: 'optional' | 'required'
  readonly claims: ClaimNames
}

/** Where a proxy in front puts the certificate that the client showed to it (RFC 8705, RFC 9440). */
export interface ClientCertificateConfig {
  readonly header: 'client-cert' | 'x-forwarded-client-cert'
  /** Addresses and networks (CIDR) of the proxies whose word is taken. */
  readonly trustedProxies: readonly string[]
}

/** Who may call at all. */
export interface AuthConfig {
  readonly issuers: readonly IssuerConfig[]
  /** Undefined: API keys are not accepted. */
  readonly apiKeys?: ApiKeysConfig | undefined
  /** Whether callers who say nothing of themselves are let in. Default false. */
  readonly anonymous: boolean
  /** Scopes that clients are told to ask for first. Default none. */
  readonly scopesSupported: readonly string[]
  /** Milliseconds by which clocks may differ. Default 30 s. */
  readonly clockSkew: number
  /** Milliseconds for which the last known keys of an issuer that is away are used. Default 1 h. */
  readonly keysStaleFor: number
  /** Undefined refuses certificate-bound tokens. */
  readonly clientCertificate?: ClientCertificateConfig | undefined
}
