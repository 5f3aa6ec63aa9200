import { BlockList, isIP } from 'node:net'
import { z } from 'zod'
import {
  type AuthConfig,
  type ClaimNames,
  type IssuerConfig,
  TOKEN_ALGORITHMS,
  type TokenAlgorithm,
} from './auth-types.ts'
import { apiKeys } from './api-keys-schema.ts'
import { choice, leaf, mapping, textSchema, words } from './leaves.ts'
import { isLoopback } from './listen.ts'
import { type Parsed, parseDuration } from './units.ts'

/**
 * Reads a URL that tokens or credentials depend on: https, or http where it stays on this machine. RFC 8414 §2 allows
 * an issuer neither query nor fragment.
 */
function parseSecureUrl(found: unknown): Parsed<string> {
  const expected = 'expected an https:// URL without user, query and fragment (http:// only on loopback)'
  if (typeof found !== 'string' || /[?#\s]/.test(found)) return { expected }
  const url = URL.parse(found)
  if (url?.username !== '' || url.password !== '') return { expected }
  const local = url.protocol === 'http:' && isLoopback(url.hostname.replace(/^\[|\]$/g, ''))
  return url.protocol === 'https:' || local ? { value: found } : { expected }
}

/** A URL of {@link parseSecureUrl}, as a setting. */
export const secureUrl = (description: string): z.ZodType<string> =>
  leaf(parseSecureUrl, { ...textSchema('^https?://[^?#]+$'), description })

/** One text or a list of texts; a list either way. */
function texts(description: string, fits: (text: string) => boolean, expected: string): z.ZodType<string[]> {
  return leaf(
    (found): Parsed<string[]> => {
      const list: readonly unknown[] = Array.isArray(found) ? found : [found]
      const value = list.filter((item): item is string => typeof item === 'string' && fits(item))
      return value.length === list.length ? { value } : { expected }
    },
    { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }], description },
  )
}

const names = (description: string): z.ZodType<string[]> =>
  texts(description, (text) => text !== '', 'expected text or a list of texts')

/** RFC 6749 §3.3, without what would ask for more than basic use: every scope there is, or refresh tokens. */
function isModestScope(text: string): boolean {
  return /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(text) && !text.includes('*') && text !== 'offline_access'
}

function isNetwork(text: string): boolean {
  const [address = '', prefix] = text.split('/')
  const family = isIP(address)
  if (prefix === undefined) return family !== 0
  return family !== 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128)
}

/** The networks of {@link isNetwork}, for looking an address up. */
export function networksOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix] = network.split('/')
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  return list
}

const duration = (description: string, least: number): z.ZodType<number> =>
  leaf((found) => parseDuration(found, least), { ...textSchema('^\\d+(ms|s|m|h)$'), description })

const claims = mapping({
  scopes: names('Claims that hold scopes; the first that is there counts.').prefault(['scope', 'scp']),
  client: names('Claims that hold the client.').prefault(['client_id', 'azp']),
  groups: names('Claims that hold groups.').prefault(['groups']),
  tenant: names('Claims that hold the tenant.').prefault(['tenant']),
})

const introspection = mapping({
  clientId: words('Client id of the gateway at the issuer.'),
  clientSecret: words('Its secret, such as ${env:INTROSPECTION_SECRET}.'),
  endpoint: secureUrl('Introspection endpoint; found in the metadata of the issuer if left out.').optional(),
  cacheFor: duration('How long an answer is believed.', 0).prefault('30s'),
})

const issuerShape = {
  audience: names('Audiences accepted on every route, beside the URL of the route itself.').prefault([]),
  algorithms: z
    .array(choice(TOKEN_ALGORITHMS, 'Name of a JWS algorithm.'))
    .min(1)
    .prefault([...TOKEN_ALGORITHMS])
    .meta({ description: 'Algorithms by which tokens may be signed. Default all of them.' }),
  jwksUri: secureUrl('Where the keys are; found in the metadata of the issuer if left out.').optional(),
  introspection: introspection
    .optional()
    .meta({ description: 'How the gateway asks the issuer about opaque tokens (RFC 7662).' }),
  dpop: choice(
    ['optional', 'required'],
    'Whether tokens must be bound to a key of the client (DPoP, RFC 9449).',
  ).prefault('optional'),
  claims: claims.prefault({}).meta({ description: 'Names of the claims that say who somebody is.' }),
}

const issuer = secureUrl(
  'Issuer identifier, exactly as it stands in tokens and metadata; https, or http on loopback.',
)

/** Settings of one issuer, which may also stand in `auth` itself. */
export const ISSUER_SETTINGS: readonly string[] = Object.keys(issuerShape)

/** The section `auth`. */
export const authSchema: z.ZodType<AuthInput> = mapping({
  issuer: secureUrl('The issuer, if there is only one.').optional(),
  ...issuerShape,
  issuers: z
    .array(mapping({ issuer, ...issuerShape }))
    .prefault([])
    .meta({ description: 'Authorization servers whose tokens are accepted.' }),
  apiKeys: apiKeys.optional(),
  anonymous: z.boolean().prefault(false).meta({ description: 'Let callers in who send no credentials.' }),
  scopesSupported: texts(
    'Scopes that clients are told to ask for first: few, and enough for basic use; no wildcards, no offline_access.',
    isModestScope,
    'expected scopes by name, without wildcards and without offline_access',
  ).prefault([]),
  clockSkew: duration('How far the clocks of issuers and the gateway may differ.', 0).prefault('30s'),
  keysStaleFor: duration('How long the last known keys of an issuer that is away are used.', 0).prefault(
    '1h',
  ),
  clientCertificate: mapping({
    header: choice(
      ['client-cert', 'x-forwarded-client-cert'],
      'The header with the certificate: RFC 9440, or that of Envoy.',
    ),
    trustedProxies: texts(
      'Addresses and networks of the proxies whose word is taken.',
      isNetwork,
      'expected IP addresses or networks, such as 10.0.0.0/8',
    ),
  })
    .optional()
    .meta({ description: 'Accept certificate-bound tokens (RFC 8705) behind a proxy that ends TLS.' }),
}).meta({ description: 'Who may call.' })

/** The section as it is written, with defaults filled in. */
export interface AuthInput extends Omit<AuthConfig, 'issuers'>, Omit<IssuerConfig, 'issuer'> {
  readonly issuer?: string | undefined
  readonly issuers: readonly IssuerConfig[]
  readonly algorithms: readonly TokenAlgorithm[]
  readonly claims: ClaimNames
}

/**
 * The section with the issuer that stands in `auth` itself among the others.
 *
 * @param absolute makes the path of the file of API keys absolute
 */
export function toAuth(input: AuthInput, absolute: (file: string) => string): AuthConfig {
  const { issuer: first, audience, algorithms, jwksUri, introspection: asked, dpop, claims: called } = input
  const { apiKeys: keys, anonymous, scopesSupported, clockSkew, keysStaleFor, clientCertificate } = input
  const single = { audience, algorithms, jwksUri, introspection: asked, dpop, claims: called }
  const issuers = first === undefined ? input.issuers : [{ issuer: first, ...single }, ...input.issuers]
  const file = keys?.file === undefined ? {} : { file: absolute(keys.file) }
  return {
    issuers,
    ...(keys === undefined ? {} : { apiKeys: { ...keys, ...file } }),
    anonymous,
    scopesSupported,
    clockSkew,
    keysStaleFor,
    clientCertificate,
  }
}
