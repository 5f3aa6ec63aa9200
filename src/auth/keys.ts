import { type JSONWebKeySet, type JWK, type JWTVerifyGetKey, createLocalJWKSet } from 'jose'
import type { IssuerConfig } from '../config/auth-types.ts'
import { GatewayError } from '../errors.ts'
import type { Log } from '../pipeline/log.ts'
import { type IssuerMetadata, discover } from './issuer-metadata.ts'
import { type Outbound, fetchFor, getJson, reasonOf } from './outbound.ts'

/** The metadata and keys of one issuer, fetched when they are needed and kept for a bounded time. */
export interface IssuerKeys {
  /**
   * The published keys. Old ones are used while new ones are fetched, and while the issuer is away.
   *
   * @throws GatewayError ISSUER_UNAVAILABLE
   */
  current(): Promise<KeySet>
  /** Fetches again because a key is missing, unless that has just been tried. True if there are other keys now. */
  refetch(): Promise<boolean>
  /** Whether what was verified with that key set may still be believed. Looks for new keys in passing when it is time. */
  stillVouches(keys: KeySet): boolean
  /** @throws GatewayError ISSUER_UNAVAILABLE */
  metadata(): Promise<IssuerMetadata>
}

/** Keys that were published together. */
export interface KeySet {
  readonly find: JWTVerifyGetKey
}

/** What the keys of an issuer are made of. */
export interface IssuerKeysPorts {
  readonly outbound: Outbound
  readonly log: Log
  /** Milliseconds for which keys are used beyond their time while the issuer is away. */
  readonly staleFor: number
}

/** Milliseconds after which keys are fetched again. */
const FRESH = 600_000
/** Least milliseconds between two tries, so that made-up key ids cause no storm of requests to the issuer. */
const COOLDOWN = 30_000
/** Milliseconds for which metadata is believed. */
const METADATA_FRESH = 3_600_000
const MOST_KEYS = 100

/** Keeps the keys of one issuer. */
export function createIssuerKeys(config: IssuerConfig, ports: IssuerKeysPorts): IssuerKeys {
  return new Keys(config, ports)
}

interface Held extends KeySet {
  find: JWTVerifyGetKey
  /** Which keys they are. */
  ids: ReadonlySet<string>
  /** When they were last seen published. */
  seenAt: number
}

class Keys implements IssuerKeys {
  readonly #config: IssuerConfig
  readonly #ports: IssuerKeysPorts
  #held: Held | undefined
  #metadata: { readonly value: IssuerMetadata; readonly at: number } | undefined
  #triedAt = -Infinity
  #fetching: Promise<void> | undefined

  constructor(config: IssuerConfig, ports: IssuerKeysPorts) {
    this.#config = config
    this.#ports = ports
  }

  async current(): Promise<KeySet> {
    if (!this.#isUsable(this.#age())) await this.#try()
    else if (this.#age() >= FRESH) void this.#try()
    if (this.#held === undefined || !this.#isUsable(this.#age())) throw this.#unavailable()
    return this.#held
  }

  async refetch(): Promise<boolean> {
    const before = this.#held?.find
    await this.#try()
    return this.#held?.find !== before
  }

  stillVouches(keys: KeySet): boolean {
    const age = this.#age()
    if (age >= FRESH) void this.#try()
    return keys === this.#held && this.#isUsable(age)
  }

  async metadata(): Promise<IssuerMetadata> {
    const { clock } = this.#ports.outbound
    const known = this.#metadata
    if (known !== undefined && clock.now() - known.at < METADATA_FRESH) return known.value
    try {
      const value = await discover(this.#config.issuer, this.#ports.outbound)
      this.#metadata = { value, at: clock.now() }
      return value
    } catch (error) {
      if (known !== undefined) return known.value
      this.#warn('the issuer cannot be reached', error)
      throw this.#unavailable()
    }
  }

  #age(): number {
    return this.#held === undefined ? Infinity : this.#ports.outbound.clock.now() - this.#held.seenAt
  }

  #isUsable(age: number): boolean {
    return age < FRESH + this.#ports.staleFor
  }

  /** Fetches once for everybody who waits, and not again before the cooldown is over. Never rejects. */
  async #try(): Promise<void> {
    if (this.#fetching !== undefined) return this.#fetching
    const { clock } = this.#ports.outbound
    if (clock.now() - this.#triedAt < COOLDOWN) return
    this.#triedAt = clock.now()
    this.#fetching = this.#fetch()
      .catch((error: unknown) => this.#warn('the keys of an issuer cannot be fetched', error))
      .finally(() => {
        this.#fetching = undefined
      })
    return this.#fetching
  }

  async #fetch(): Promise<void> {
    const { outbound } = this.#ports
    const { issuer, jwksUri } = this.#config
    const url = jwksUri ?? (await this.metadata()).jwksUri
    if (url === undefined) throw new Error('its metadata names no jwks_uri')
    const fetch = jwksUri === undefined ? fetchFor(url, issuer, outbound) : outbound.fetch
    const keys = keysOf((await getJson(fetch, url, outbound.clock)).value)
    const ids = new Set(keys.map((key) => JSON.stringify(key)))
    const seenAt = outbound.clock.now()
    const held = this.#held
    if (held !== undefined && isSubset(ids, held.ids) && isSubset(held.ids, ids)) held.seenAt = seenAt
    // More keys take nothing back; where one is gone, what it signed is believed no longer.
    else if (held !== undefined && isSubset(held.ids, ids))
      Object.assign(held, { find: createLocalJWKSet({ keys }), ids, seenAt })
    else this.#held = { find: createLocalJWKSet({ keys }), ids, seenAt }
  }

  #warn(message: string, error: unknown): void {
    this.#ports.log('warn', message, { issuer: this.#config.issuer, reason: reasonOf(error) })
  }

  #unavailable(): GatewayError {
    return new GatewayError(
      'ISSUER_UNAVAILABLE',
      'The access token cannot be checked, because its issuer cannot be reached',
      { retryAfterMs: COOLDOWN },
    )
  }
}

/** The keys of a document. Which of them are public and for signatures, jose looks at when one is used. */
function keysOf(document: Readonly<Record<string, unknown>>): JWK[] {
  const { keys } = document as Partial<JSONWebKeySet>
  if (!Array.isArray(keys)) throw new Error('the document holds no keys')
  return keys.filter((key: JWK) => typeof key === 'object' && key !== null).slice(0, MOST_KEYS)
}

function isSubset(some: ReadonlySet<string>, all: ReadonlySet<string>): boolean {
  return [...some].every((one) => all.has(one))
}
