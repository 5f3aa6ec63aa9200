import { createBoundedMap } from '../auth/bounded-map.ts'
import { principalId } from '../auth/principal-id.ts'
import { GatewayError } from '../errors.ts'
import { ANONYMOUS, type AuthenticatedPrincipal, type Downstream, type Principal } from '../pipeline/call.ts'
import { MODERN_VERSION } from '../protocol/versions.ts'

/** Somebody whom the embedder has authenticated. */
export interface CallerInput {
  readonly subject: string
  /** Whose word it is. Default `toolgate:embedder`. */
  readonly issuer?: string
  /** The client that acts for the subject. */
  readonly client?: string
  readonly tenant?: string
  readonly scopes?: Iterable<string>
  readonly groups?: Iterable<string>
  /** For rules; never logged. */
  readonly claims?: Readonly<Record<string, unknown>>
}

/** Who makes a call. */
export interface Caller {
  readonly principal: Principal
  readonly downstream: Downstream
  /** See `Call.within`. */
  readonly within?: number | undefined
}

/** The issuer of whom an embedder vouches for. */
const EMBEDDER = 'toolgate:embedder'

/** Characters of a client's name. */
const MAX_LABEL = 256

/** The same principal for whoever is the same in everything, because rights are remembered by it. */
const known = createBoundedMap<AuthenticatedPrincipal>(1000)

/**
 * Whoever an embedder says calls: a principal of its own, or an anonymous client by its name.
 *
 * @throws GatewayError INVALID_PARAMS
 */
export function callerOf(input: CallerInput | undefined, client: string | undefined): Caller {
  if (client !== undefined && (client === '' || client.length > MAX_LABEL))
    throw new GatewayError('INVALID_PARAMS', `The client of a call is a text of 1 to ${MAX_LABEL} characters`)
  const downstream: Downstream = {
    era: 'modern',
    version: MODERN_VERSION,
    transport: 'http',
    // What a backend remembers of one client is not for another.
    session: client === undefined ? undefined : `embedded ${client}`,
    address: undefined,
    label: client ?? ANONYMOUS.id,
  }
  return { principal: input === undefined ? ANONYMOUS : principalOf(input), downstream }
}

function principalOf(input: CallerInput): AuthenticatedPrincipal {
  const { subject, issuer = EMBEDDER, client, tenant } = input
  if (typeof subject !== 'string' || subject === '')
    throw new GatewayError('INVALID_PARAMS', 'The principal of a call needs a subject')
  const [scopes, groups] = [[...(input.scopes ?? [])], [...(input.groups ?? [])]]
  // A copy: what is changed in the original is for the next call.
  const claims = copyOf(input.claims ?? {})
  const who = { issuer, subject, client, tenant }
  const key = JSON.stringify([issuer, subject, client ?? null, tenant ?? null, scopes, groups, claims])
  const before = known.get(key)
  if (before !== undefined) return before
  const principal: AuthenticatedPrincipal = {
    ...who,
    id: principalId(who),
    anonymous: false,
    scopes: new Set(scopes),
    groups: new Set(groups),
    claims,
    expiresAt: undefined,
  }
  known.set(key, principal)
  return principal
}

function copyOf(claims: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(JSON.stringify(claims)) as Readonly<Record<string, unknown>>
  } catch (error) {
    throw new GatewayError('INVALID_PARAMS', 'The claims of a principal must be JSON', { cause: error })
  }
}

/** Calls of the gateway's own tools that may be made within each other. */
const MAX_WITHIN = 8

/**
 * Whoever called a tool, calling on: with the same identity, and in the same place.
 *
 * @throws GatewayError TOO_MANY
 */
export function callerWithin({ principal, downstream, within = 0 }: Caller): Caller {
  if (within >= MAX_WITHIN)
    throw new GatewayError('TOO_MANY', `Tools of the gateway call each other more than ${MAX_WITHIN} deep`, {
      retryable: false,
    })
  return {
    principal,
    // What comes back is for the tool, whatever its own client speaks.
    downstream: { ...downstream, era: 'modern', version: MODERN_VERSION },
    within: within + 1,
  }
}
