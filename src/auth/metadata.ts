import { type AuthConfig, TOKEN_ALGORITHMS } from '../config/auth-types.ts'

/** The document of one protected resource (RFC 9728 §2). */
export interface ResourceMetadata {
  readonly resource: string
  readonly authorization_servers: readonly string[]
  readonly bearer_methods_supported: readonly ['header']
  readonly scopes_supported?: readonly string[]
  readonly resource_name: string
  readonly dpop_signing_alg_values_supported: readonly string[]
  readonly dpop_bound_access_tokens_required?: true
  readonly tls_client_certificate_bound_access_tokens?: true
}

/** Describes a resource: where to get tokens for it, and how little to ask for. */
export function metadataDocument(resource: string, config: AuthConfig, name: string): ResourceMetadata {
  const { issuers, scopesSupported, clientCertificate } = config
  return {
    resource,
    authorization_servers: issuers.map(({ issuer }) => issuer),
    bearer_methods_supported: ['header'],
    ...(scopesSupported.length === 0 ? {} : { scopes_supported: scopesSupported }),
    resource_name: name,
    dpop_signing_alg_values_supported: TOKEN_ALGORITHMS,
    ...(issuers.every(({ dpop }) => dpop === 'required')
      ? { dpop_bound_access_tokens_required: true as const }
      : {}),
    ...(clientCertificate === undefined ? {} : { tls_client_certificate_bound_access_tokens: true as const }),
  }
}
