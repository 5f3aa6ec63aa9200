import type { AuthConfig } from '../config/auth-types.ts'
import { GatewayError } from '../errors.ts'
import { ANONYMOUS, type AuthenticatedPrincipal, type Principal, type Route } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import { renderChallenge } from './challenge.ts'
import { type CertificateReader, createCertificateReader } from './client-certificate.ts'
import { type Credentials, type DoorRequest, readCredentials } from './credentials.ts'
import { type DpopChecker, createDpopChecker } from './dpop.ts'
import { type Holds, createHolds } from './holds.ts'
import { metadataDocument } from './metadata.ts'
import type { Outbound } from './outbound.ts'
import { CredentialError } from './refusal.ts'
import { type Address, type Resources, createResources } from './resources.ts'
import type { SignatureCheck } from './signed-requests.ts'
import { type Tokens, createTokens } from './tokens.ts'
import type { VerifiedToken } from './verified.ts'

/** The one door: who is behind an exchange, what is said to those who stay outside, and who has to leave. */
export interface Door {
  /**
   * Who sent a request, asked before its body is read. At once for whoever has been here before.
   *
   * @throws GatewayError UNAUTHENTICATED, INVALID_REQUEST, ISSUER_UNAVAILABLE or TOO_MANY; as a rejection where it is not
   *   at once
   */
  authenticate(request: DoorRequest, route: Route): Principal | Promise<Principal>
  /**
   * What can be asked of a request only when its content is known, and has to be asked before anything acts on it: the
   * signature that an API key may require.
   *
   * @param body the whole content as it arrived; `''` where there is none
   * @throws GatewayError SIGNATURE_REQUIRED
   */
  checkContent(request: DoorRequest, principal: Principal, body: string): void
  /**
   * `WWW-Authenticate` for a call that was refused behind the door (RFC 6750 §3).
   *
   * @param refusal its status, and the scopes that the call needs where it lacks some
   */
  challenge(request: DoorRequest, route: Route, refusal: Refused): string
  /** The protected resource metadata (RFC 9728) at a path, as JSON; undefined where there is none. */
  metadata(request: DoorRequest, path: string): string | undefined
  /** What lasts and ends with the credentials it was begun with. */
  readonly holds: Holds
}

/** What a challenge answers. */
export interface Refused {
  readonly status: number
  readonly scopes?: readonly string[] | undefined
}

/** Knows API keys. */
export interface KeyVerifier {
  verify(secret: string): AuthenticatedPrincipal | undefined
  /** How requests of that principal have to be signed; undefined where they need not be. */
  signatureOf(principal: AuthenticatedPrincipal): SignatureCheck | undefined
}

/** What the door needs. */
export interface DoorPorts {
  readonly clock: Clock
  readonly log: Log
  readonly outbound: Outbound
  /** Where clients reach the gateway; undefined means the loopback address that it listens on. */
  readonly publicUrl: string | undefined
  /** Names of the backends, now. */
  readonly backends: () => readonly string[]
  /** Name of the gateway. */
  readonly name: string
  /** Undefined knows no API keys. */
  readonly apiKeys?: KeyVerifier | undefined
}

/** Builds the door. */
export function createDoor(config: AuthConfig, ports: DoorPorts): Door {
  return new GuardedDoor(config, ports)
}

/** The door that stands open: nobody is asked. */
export function openDoor(clock: Clock): Door {
  return {
    authenticate: () => ANONYMOUS,
    checkContent: () => undefined,
    challenge: () => 'Bearer',
    metadata: () => undefined,
    holds: createHolds(clock),
  }
}

class GuardedDoor implements Door {
  readonly holds: Holds
  readonly #config: AuthConfig
  readonly #ports: DoorPorts
  readonly #tokens: Tokens
  readonly #resources: Resources
  readonly #dpop: DpopChecker
  readonly #certificateOf: CertificateReader

  constructor(config: AuthConfig, ports: DoorPorts) {
    this.#config = config
    this.#ports = ports
    this.holds = createHolds(ports.clock)
    this.#tokens = createTokens(config, ports)
    this.#resources = createResources(ports.publicUrl, ports.backends)
    this.#dpop = createDpopChecker(ports.clock, config.clockSkew)
    this.#certificateOf = createCertificateReader(config.clientCertificate)
  }

  authenticate(request: DoorRequest, route: Route): Principal | Promise<Principal> {
    const credentials = readCredentials(request)
    if (credentials === undefined) return this.#nobody(request, route)
    const attempt = { request, route, credentials }
    try {
      const principal = this.#admit(attempt)
      if (!(principal instanceof Promise)) return principal
      return principal.catch((error: unknown) => {
        throw this.#refused(error, attempt)
      })
    } catch (error) {
      throw this.#refused(error, attempt)
    }
  }

  checkContent(request: DoorRequest, principal: Principal, body: string): void {
    const check = principal.anonymous ? undefined : this.#ports.apiKeys?.signatureOf(principal)
    if (check === undefined) return
    const { method = '', url = '/', headers, socket } = request
    const target = new URL(this.#resources.urlOf(url, addressOf(request)))
    const reason = check({ method, url: target, headers, body })
    if (reason === undefined) return
    this.#ports.log('info', 'signature refused', { reason, from: socket.remoteAddress })
    throw new GatewayError('SIGNATURE_REQUIRED', `This API key needs signed requests: ${reason}`)
  }

  challenge(request: DoorRequest, route: Route, { status, scopes }: Refused): string {
    // Whoever lacks scopes for want of any credentials is told no error (RFC 6750 §3.1).
    if (status === 401 && scopes !== undefined) return this.#challenge({ request, route }, { scopes })
    const code = scopes === undefined ? 'invalid_token' : 'insufficient_scope'
    // RFC 9449 §7.1: in the scheme that the client spoke.
    const isDpop = /^dpop /i.test(request.headers.authorization ?? '')
    return this.#challenge({ request, route }, { code, scopes, isDpop })
  }

  metadata(request: DoorRequest, path: string): string | undefined {
    const route = this.#resources.routeOf(path)
    if (route === undefined || this.#config.issuers.length === 0) return undefined
    const resource = this.#resources.idOf(route, addressOf(request))
    return JSON.stringify(metadataDocument(resource, this.#config, this.#ports.name))
  }

  #nobody(request: DoorRequest, route: Route): Principal {
    if (this.#config.anonymous) return ANONYMOUS
    const challenge = this.#challenge({ request, route }, {})
    throw new GatewayError('UNAUTHENTICATED', 'This gateway needs an access token or an API key', {
      headers: { 'www-authenticate': challenge },
    })
  }

  #admit(attempt: Attempt): Principal | Promise<Principal> {
    const { scheme, secret } = attempt.credentials
    if (scheme === 'api-key') {
      const principal = this.#ports.apiKeys?.verify(secret)
      if (principal === undefined) throw new CredentialError('unknown-api-key')
      return principal
    }
    const verified = this.#tokens.verify(secret)
    return verified instanceof Promise
      ? verified.then((token) => this.#check(token, attempt))
      : this.#check(verified, attempt)
  }

  /** What depends on the request, and is therefore looked at every time: audience and binding. */
  #check(token: VerifiedToken, attempt: Attempt): Principal | Promise<Principal> {
    const { request, route, credentials } = attempt
    const isMine = token.anyRoute || this.#resources.includes(token.audiences, route, addressOf(request))
    if (!isMine) throw new CredentialError('wrong-audience')
    const { binding, principal } = token
    if (binding.kind === 'dpop') {
      if (credentials.scheme !== 'dpop') throw new CredentialError('bound-to-key')
      return this.#checkProof(token, binding.thumbprint, attempt)
    }
    if (credentials.scheme === 'dpop') throw new CredentialError('not-bound')
    if (token.needsProof) throw new CredentialError('proof-required')
    if (binding.kind === 'certificate' && this.#certificateOf(request) !== binding.thumbprint)
      throw new CredentialError('wrong-certificate')
    return principal
  }

  async #checkProof(token: VerifiedToken, thumbprint: string, attempt: Attempt): Promise<Principal> {
    const { request, credentials } = attempt
    const [path = '/'] = (request.url ?? '/').split('?', 1)
    await this.#dpop.check({
      proof: request.headers['dpop'],
      method: request.method ?? '',
      url: this.#resources.urlOf(path, addressOf(request)),
      token: credentials.secret,
      thumbprint,
    })
    return token.principal
  }

  #refused(error: unknown, attempt: Attempt): unknown {
    if (!(error instanceof CredentialError)) return error
    const { log } = this.#ports
    log('info', 'credentials refused', {
      reason: error.reason,
      scheme: attempt.credentials.scheme,
      from: attempt.request.socket.remoteAddress,
    })
    const challenge = this.#challenge(attempt, {
      code: error.code,
      description: error.message,
      isDpop:
        attempt.credentials.scheme === 'dpop' ||
        error.reason === 'bound-to-key' ||
        error.reason === 'proof-required',
    })
    return new GatewayError('UNAUTHENTICATED', error.message, {
      headers: { 'www-authenticate': challenge },
    })
  }

  #challenge(at: Pick<Attempt, 'request' | 'route'>, said: Said): string {
    const { code, description, scopes = this.#config.scopesSupported, isDpop = false } = said
    const metadata =
      this.#config.issuers.length === 0
        ? undefined
        : this.#resources.metadataUrlOf(at.route, addressOf(at.request))
    return renderChallenge({
      scheme: isDpop ? 'DPoP' : 'Bearer',
      error: code === undefined ? undefined : { code, ...(description === undefined ? {} : { description }) },
      scopes,
      resourceMetadata: metadata,
    })
  }
}

interface Attempt {
  readonly request: DoorRequest
  readonly route: Route
  readonly credentials: Credentials
}

interface Said {
  readonly code?: string
  readonly description?: string
  readonly scopes?: readonly string[] | undefined
  readonly isDpop?: boolean
}

function addressOf({ headers, socket }: DoorRequest): Address {
  return { host: headers.host, port: socket.localPort }
}
