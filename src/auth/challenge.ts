import { TOKEN_ALGORITHMS } from '../config/auth-types.ts'

/** What a challenge says. */
export interface ChallengeParts {
  readonly scheme: 'Bearer' | 'DPoP'
  /** `error` and `error_description`; undefined for a request that brought no credentials (RFC 6750 §3.1). */
  readonly error?: { readonly code: string; readonly description?: string } | undefined
  /** Scopes to ask for. */
  readonly scopes: readonly string[]
  /** Where the metadata of the resource is (RFC 9728 §5.1); undefined where no issuer is configured. */
  readonly resourceMetadata: string | undefined
}

/** A value of `WWW-Authenticate`. Every part of it comes from the configuration or a table, never from a request. */
export function renderChallenge({ scheme, error, scopes, resourceMetadata }: ChallengeParts): string {
  const parameters: readonly (readonly [name: string, value: string | undefined])[] = [
    ['error', error?.code],
    ['error_description', error?.description],
    ['scope', scopes.length === 0 ? undefined : scopes.join(' ')],
    ['resource_metadata', resourceMetadata],
    ['algs', scheme === 'DPoP' ? TOKEN_ALGORITHMS.join(' ') : undefined],
  ]
  const written = parameters
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}="${value}"`)
  return written.length === 0 ? scheme : `${scheme} ${written.join(', ')}`
}
