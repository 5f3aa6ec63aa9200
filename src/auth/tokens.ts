import { hash } from 'node:crypto'
import type { AuthConfig, IntrospectionConfig, IssuerConfig } from '../config/auth-types.ts'
import { GatewayError } from '../errors.ts'
import type { Log } from '../pipeline/log.ts'
import { createBoundedMap } from './bounded-map.ts'
import { introspect } from './introspection.ts'
import { issuerOfJwt, verifyJwt } from './jwt.ts'
import { type IssuerKeys, createIssuerKeys } from './keys.ts'
import type { Outbound } from './outbound.ts'
import { CredentialError } from './refusal.ts'
import type { VerifiedToken } from './verified.ts'

/** Verifies access tokens, each once. */
export interface Tokens {
  /**
   * What is known of a token: at once where it has been verified before, which is nearly always.
   *
   * @throws CredentialError, or GatewayError ISSUER_UNAVAILABLE or TOO_MANY; as a rejection where it is not at once
   */
  verify(token: string): VerifiedToken | Promise<VerifiedToken>
}

/** What verifying tokens needs. */
export interface TokensPorts {
  readonly outbound: Outbound
  readonly log: Log
}

const MOST_KNOWN = 10_000
/** Apart from those that are good, so that nobody can push them out with made-up ones. */
const MOST_REFUSED = 1000
/** Milliseconds for which a refusal is repeated without looking again. */
const REFUSED_FOR = 5000
/** Verifications at once: each costs a signature. */
const MOST_PENDING = 1000
/** Opaque tokens that issuers are asked about at once. */
const MOST_ASKED = 64

interface Issuer {
  readonly config: IssuerConfig
  readonly keys: IssuerKeys
}

interface Refused {
  readonly error: CredentialError
  readonly until: number
}

/** Creates the verifier for the tokens of all configured issuers. */
export function createTokens(config: AuthConfig, ports: TokensPorts): Tokens {
  return new KnownTokens(config, ports)
}

class KnownTokens implements Tokens {
  readonly #ports: TokensPorts
  readonly #clockSkew: number
  readonly #issuers: ReadonlyMap<string, Issuer>
  readonly #known = createBoundedMap<VerifiedToken>(MOST_KNOWN)
  readonly #refused = createBoundedMap<Refused>(MOST_REFUSED)
  readonly #pending = new Map<string, Promise<VerifiedToken>>()
  #asking = 0

  constructor(config: AuthConfig, ports: TokensPorts) {
    this.#ports = ports
    this.#clockSkew = config.clockSkew
    const keysPorts = { ...ports, staleFor: config.keysStaleFor }
    this.#issuers = new Map(
      config.issuers.map((issuer) => [
        issuer.issuer,
        { config: issuer, keys: createIssuerKeys(issuer, keysPorts) },
      ]),
    )
  }

  verify(token: string): VerifiedToken | Promise<VerifiedToken> {
    // The digest, not the token, so that no dump of the memory gives tokens away.
    const digest = hash('sha256', token, 'base64url')
    const now = this.#ports.outbound.clock.wallTime()
    const known = this.#known.get(digest)
    if (known !== undefined && known.until > now && known.isStanding()) return known
    const refused = this.#refused.get(digest)
    if (refused !== undefined && refused.until > now) throw refused.error
    return this.#pending.get(digest) ?? this.#begin(token, digest)
  }

  #begin(token: string, digest: string): Promise<VerifiedToken> {
    if (this.#pending.size >= MOST_PENDING) throw tooMany()
    const pending = this.#check(token, digest).finally(() => this.#pending.delete(digest))
    this.#pending.set(digest, pending)
    return pending
  }

  async #check(token: string, digest: string): Promise<VerifiedToken> {
    this.#known.delete(digest)
    try {
      const verified = await this.#verify(token)
      this.#known.set(digest, verified)
      return verified
    } catch (error) {
      if (error instanceof CredentialError) {
        const until = this.#ports.outbound.clock.wallTime() + REFUSED_FOR
        this.#refused.set(digest, { error, until })
      }
      throw error
    }
  }

  async #verify(token: string): Promise<VerifiedToken> {
    const name = issuerOfJwt(token)
    if (name === undefined) return this.#introspect(token)
    const issuer = this.#issuers.get(name)
    if (issuer === undefined) throw new CredentialError('unknown-issuer')
    const { clock } = this.#ports.outbound
    return verifyJwt(token, { ...issuer, clock, clockSkew: this.#clockSkew })
  }

  /** An opaque token does not say whose it is: every issuer that can be asked is asked. */
  async #introspect(token: string): Promise<VerifiedToken> {
    const asked = [...this.#issuers.values()].flatMap((issuer) => {
      const { introspection } = issuer.config
      return introspection === undefined ? [] : [{ issuer, introspection }]
    })
    if (asked.length === 0) throw new CredentialError('not-a-token')
    if (this.#asking >= MOST_ASKED) throw tooMany()
    this.#asking++
    const answers = await Promise.allSettled(
      asked.map(({ issuer, introspection }) => this.#ask(token, issuer, introspection)),
    ).finally(() => this.#asking--)
    const failed = answers.filter((answer) => answer.status === 'rejected')
    const found = answers.find((answer) => answer.status === 'fulfilled' && answer.value !== undefined)
    if (found?.status === 'fulfilled' && found.value !== undefined) return found.value
    // Whoever did not answer might have known it.
    if (failed[0] !== undefined) throw failed[0].reason
    throw new CredentialError('inactive')
  }

  #ask(
    token: string,
    { config, keys }: Issuer,
    introspection: IntrospectionConfig,
  ): Promise<VerifiedToken | undefined> {
    const clockSkew = this.#clockSkew
    return introspect(token, introspection, { ...this.#ports, config, keys, clockSkew })
  }
}

function tooMany(): GatewayError {
  return new GatewayError('TOO_MANY', 'Too many access tokens to check at once', { retryAfterMs: 1000 })
}
