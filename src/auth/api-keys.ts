import { timingSafeEqual } from 'node:crypto'
import type { ApiKeyEntry, ApiKeysConfig } from '../config/api-keys-schema.ts'
import { writtenSignature } from '../config/required-signature-schema.ts'
import { UnusableFileError, readPrivateFile } from '../config/private-file.ts'
import { watchFile } from '../config/watched-file.ts'
import type { AuthenticatedPrincipal } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import { digestOfHash, idOfHash, readKey } from './api-key.ts'
import { apiKeysFile, parseApiKeys, toStored } from './api-key-file.ts'
import { principalId } from './principal-id.ts'
import { type SignatureCheck, createSignatureCheck } from './signed-requests.ts'

/** The issuer of every principal with an API key. */
const KEYS_ISSUER = 'toolgate:keys'

/** Knows who has which API key. */
export interface ApiKeys {
  /**
   * Whose key this is; undefined if it is no key, unknown, revoked or expired. One look-up and one hash: never a
   * file, never a promise. Where the file stops being readable, the keys last read stay valid.
   */
  verify(key: string): AuthenticatedPrincipal | undefined
  /** How the requests of whom {@link ApiKeys.verify} yielded have to be signed; undefined where the key is enough. */
  signatureOf(principal: AuthenticatedPrincipal): SignatureCheck | undefined
  /** Stops watching the file. */
  close(): void
}

/** Where the keys of a gateway are. */
export interface ApiKeySources {
  /** Keys of the configuration. */
  readonly keys: readonly ApiKeyEntry[]
  /** Absolute path of the file that `toolgate keys` writes; undefined if there is none to watch. */
  readonly file: string | undefined
}

/** What API keys need from the gateway. */
export interface ApiKeyPorts {
  readonly clock: Clock
  readonly log: Log
  /**
   * Told the id of each principal whose key is gone or has come to mean something else (other scopes, groups, expiry):
   * what still runs in its name has to end.
   */
  readonly onRevoked: (principalId: string) => void
}

/** Stands for a file that was not read, or could not be taken. */
const UNREAD = Symbol('unread')

interface KnownKey {
  readonly digest: Buffer
  readonly principal: AuthenticatedPrincipal
  /** All that the key means, for noticing changes. */
  readonly meaning: string
  readonly signature: KnownSignature | undefined
}

/** How requests have to be signed, with what was seen so far. */
interface KnownSignature {
  readonly check: SignatureCheck
  /** The requirement, for noticing changes. */
  readonly meaning: string
}

/**
 * Reads the API keys and watches their file: new keys work and revoked ones stop working without a restart.
 *
 * @throws UnusableFileError if the file is there and cannot be taken: starting without the keys would be a surprise
 */
export function createApiKeys(sources: ApiKeySources, ports: ApiKeyPorts): ApiKeys {
  const keys = new KnownKeys(sources, ports)
  const { file } = sources
  if (file !== undefined) keys.follow(file)
  return keys
}

/**
 * The API keys of a configuration; undefined where none are accepted.
 *
 * @param stateDir undefined if there is none; then only a file that the configuration names is read
 * @throws UnusableFileError as {@link createApiKeys} does
 */
export function openApiKeys(
  config: ApiKeysConfig | undefined,
  stateDir: string | undefined,
  ports: ApiKeyPorts,
): ApiKeys | undefined {
  if (config === undefined) return undefined
  const file = stateDir === undefined ? config.file : apiKeysFile(config, stateDir)
  return createApiKeys({ keys: config.keys, file }, ports)
}

class KnownKeys implements ApiKeys {
  readonly #sources: ApiKeySources
  readonly #ports: ApiKeyPorts
  #known: ReadonlyMap<string, KnownKey>
  /** By the principals that were yielded, as long as anybody has them. */
  readonly #signatures = new WeakMap<AuthenticatedPrincipal, SignatureCheck>()
  /** The file as it was taken last. */
  #text: string | undefined | typeof UNREAD = UNREAD
  #problem: string | undefined
  #stop: (() => void) | undefined

  constructor(sources: ApiKeySources, ports: ApiKeyPorts) {
    this.#sources = sources
    this.#ports = ports
    this.#known = new Map()
    this.#know(sources.keys)
  }

  verify(key: string): AuthenticatedPrincipal | undefined {
    const parts = readKey(key)
    if (parts === undefined) return undefined
    const known = this.#known.get(parts.id)
    // The id is no secret; how much of the digest is right must not show in the time.
    if (known === undefined || !timingSafeEqual(known.digest, parts.digest)) return undefined
    const { expiresAt } = known.principal
    return expiresAt !== undefined && expiresAt <= this.#ports.clock.wallTime() ? undefined : known.principal
  }

  signatureOf(principal: AuthenticatedPrincipal): SignatureCheck | undefined {
    return this.#signatures.get(principal)
  }

  /** @throws UnusableFileError if the file is there and cannot be taken now; later that is logged only */
  follow(file: string): void {
    try {
      this.#reread(file)
    } catch (error) {
      const message = `the file of API keys, ${file}, cannot be taken: it ${reasonOf(error)}`
      throw new UnusableFileError(message, { cause: error })
    }
    this.#stop = watchFile(file, { clock: this.#ports.clock, look: () => this.#look(file) })
  }

  close(): void {
    this.#stop?.()
  }

  #look(file: string): void {
    const { log } = this.#ports
    try {
      this.#reread(file)
      if (this.#problem !== undefined) log('info', 'The file of API keys can be taken again', { file })
      this.#problem = undefined
    } catch (error) {
      this.#text = UNREAD
      const reason = reasonOf(error)
      if (reason !== this.#problem) {
        log('error', 'The file of API keys cannot be taken: the keys known before stay valid', {
          file,
          reason,
        })
      }
      this.#problem = reason
    }
  }

  #reread(file: string): void {
    const text = readPrivateFile(file)
    if (text === this.#text) return
    this.#take(parseApiKeys(text))
    this.#text = text
  }

  /** Takes the keys of the file; those of the configuration stay, and have the say where both have a name. */
  #take(entries: readonly ApiKeyEntry[]): void {
    const { log, onRevoked } = this.#ports
    const own = new Set(this.#sources.keys.map(({ name }) => name))
    const others = entries.filter(({ name }) => !own.has(name))
    if (others.length < entries.length) {
      log('warn', 'API keys of the file are passed over: keys of the configuration have their names')
    }
    const before = this.#known
    const now = this.#know([...others, ...this.#sources.keys])
    for (const [id, known] of before) {
      if (now.get(id) !== known) onRevoked(known.principal.id)
    }
  }

  /** Knows these keys from now on. Whoever is the same as before stays the same object: others may have put something beside it. */
  #know(entries: readonly ApiKeyEntry[]): ReadonlyMap<string, KnownKey> {
    const before = this.#known
    const now = new Map<string, KnownKey>()
    for (const entry of entries) {
      const id = idOfHash(entry.hash)
      const last = before.get(id)
      const known = toKnown(entry, last?.signature, this.#ports.clock)
      now.set(id, known.meaning === last?.meaning ? last : known)
      if (known.signature !== undefined) this.#signatures.set(known.principal, known.signature.check)
    }
    this.#known = now
    return now
  }
}

/** @param last what is remembered of its requests, which a change of its rights must not make forgotten */
function toKnown(entry: ApiKeyEntry, last: KnownSignature | undefined, clock: Clock): KnownKey {
  const id = idOfHash(entry.hash)
  // The id as client: a key that later gets the name of a revoked one is somebody else, and inherits nothing.
  const who = { issuer: KEYS_ISSUER, subject: entry.name, client: id, tenant: entry.tenant }
  const principal: AuthenticatedPrincipal = {
    id: principalId(who),
    anonymous: false,
    ...who,
    scopes: new Set(entry.scopes),
    groups: new Set(entry.groups),
    claims: {},
    expiresAt: entry.expires,
  }
  const signature = toKnownSignature(entry, last, clock)
  return {
    digest: digestOfHash(entry.hash),
    principal,
    meaning: JSON.stringify(toStored(entry)),
    signature,
  }
}

function toKnownSignature(
  { signature }: ApiKeyEntry,
  last: KnownSignature | undefined,
  clock: Clock,
): KnownSignature | undefined {
  if (signature === undefined) return undefined
  const meaning = JSON.stringify(writtenSignature(signature))
  return meaning === last?.meaning ? last : { check: createSignatureCheck(signature, clock), meaning }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
