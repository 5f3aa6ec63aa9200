import { stringify } from 'yaml'
import { createKey, idOfHash, readKey, storedHash } from '../auth/api-key.ts'
import { apiKeysFile, changeApiKeys, readApiKeys, toDocument, toStored } from '../auth/api-key-file.ts'
import {
  type ApiKeyEntry,
  parseGroup,
  parseInstant,
  parseKeyName,
  parseScope,
} from '../config/api-keys-schema.ts'
import { FileBusyError } from '../config/private-file.ts'
import { defaultStateDir } from '../config/state-dir.ts'
import { type RequiredSignature, holdsSecret, signatureWith } from '../config/required-signature-schema.ts'
import type { Parsed } from '../config/units.ts'
import { namedConfig, requireConfig, shownPath } from './config-file.ts'
import { CliError, type Io } from './io.ts'
import type { CreateKeyOptions, KeysOptions, RevokeKeyOptions } from './options.ts'
import { oneLine, paint, table } from './text.ts'

/** The keys that a command works on. */
interface KeyStore {
  /** Absolute path of the file. */
  readonly path: string
  /** How the configuration is called, if there is one. */
  readonly config: string | undefined
  /** Keys that stand in the configuration. */
  readonly inline: readonly ApiKeyEntry[]
  /** Whether a gateway with this configuration takes API keys; undefined if there is no configuration. */
  readonly accepted: boolean | undefined
}

/** `toolgate keys create`: makes a key, prints it once and stores its hash. */
export async function createKeyCommand(io: Io, options: CreateKeyOptions): Promise<number> {
  const store = await openStore(io, options)
  if (store === undefined) return 1
  const key = createKey()
  const entry = { ...newEntry(key, options), signature: await signatureOf(io, options) }
  if (options.inline) requireFree(entry, [...store.inline, ...stored(io, store)])
  else {
    change(io, store, (entries) => {
      requireFree(entry, [...store.inline, ...entries])
      return [...entries, entry]
    })
  }
  if (options.json) {
    io.stdout.write(`${JSON.stringify({ key, ...document(entry) }, null, 2)}\n`)
    return 0
  }
  io.stderr.write(explanation(io, { entry, store, inline: options.inline }))
  io.stdout.write(`${key}\n`)
  return 0
}

/** `toolgate keys list`: shows every key, never its secret. */
export async function listKeysCommand(io: Io, options: KeysOptions): Promise<number> {
  const store = await openStore(io, options)
  if (store === undefined) return 1
  const now = Date.now()
  const keys = [
    ...stored(io, store).map((entry) => ({ entry, source: 'file' as const })),
    ...store.inline.map((entry) => ({ entry, source: 'configuration' as const })),
  ].toSorted((a, b) => (a.entry.name < b.entry.name ? -1 : 1))
  if (options.json) {
    const list = keys.map(({ entry, source }) => ({
      ...document(entry),
      expired: isExpired(entry, now),
      source,
    }))
    io.stdout.write(`${JSON.stringify({ file: store.path, keys: list }, null, 2)}\n`)
    return 0
  }
  if (keys.length === 0) {
    io.stderr.write(
      `There are no API keys in ${shownPath(io, store.path)}. Make one: toolgate keys create <name>\n`,
    )
    return 0
  }
  const heading = ['NAME', 'ID', 'CREATED', 'EXPIRES', 'TENANT', 'IN', 'SCOPES AND GROUPS']
  const rows = keys.map(({ entry, source }) => [
    entry.name,
    idOfHash(entry.hash),
    entry.created === undefined ? '-' : day(entry.created),
    expiry(entry, now),
    oneLine(entry.tenant ?? '-', 30),
    source === 'file' ? 'file' : 'config',
    rights(entry),
  ])
  io.stdout.write(table([heading, ...rows], io.stdout))
  return 0
}

/** `toolgate keys revoke`: a key stops working, also in gateways that run. */
export async function revokeKeyCommand(io: Io, options: RevokeKeyOptions): Promise<number> {
  const store = await openStore(io, options)
  if (store === undefined) return 1
  const { wanted } = options
  const isWanted = (entry: ApiKeyEntry): boolean => matches(entry, wanted)
  const fixed = store.inline.find(isWanted)
  if (fixed !== undefined) {
    throw new CliError(
      `${fixed.name} stands in the configuration, which is yours to edit`,
      `Remove its entry from auth.apiKeys.keys in ${store.config ?? 'it'}.`,
    )
  }
  let revoked: ApiKeyEntry | undefined
  change(io, store, (entries) => {
    const found = entries.filter(isWanted)
    if (found.length > 1) throw new CliError(`${wanted} is the name of one key and the id of another`)
    revoked = found[0]
    if (revoked === undefined) throw unknownKey(io, store)
    return entries.filter((entry) => entry !== revoked)
  })
  if (revoked === undefined) return 1
  if (options.json) io.stdout.write(`${JSON.stringify({ revoked: document(revoked) }, null, 2)}\n`)
  else {
    const sentence = `Revoked ${revoked.name} (${idOfHash(revoked.hash)}). Gateways that run refuse it within seconds.`
    io.stderr.write(`${paint(io.stderr, 'green', sentence)}\n`)
  }
  return 0
}

async function openStore(io: Io, options: KeysOptions): Promise<KeyStore | undefined> {
  const { file, env } = options
  if (file !== undefined) return { path: file, config: undefined, inline: [], accepted: undefined }
  const stateDir = defaultStateDir(io.env, io.home)
  const found = await namedConfig(io, options)
  if (found.length === 0) {
    return { path: apiKeysFile(undefined, stateDir), config: undefined, inline: [], accepted: undefined }
  }
  const config = await requireConfig(io, { config: found, env })
  if (config === undefined) {
    io.stderr.write('Keys can be changed without the configuration too: name their file with --file.\n')
    return undefined
  }
  const apiKeys = config.auth?.apiKeys
  return {
    path: apiKeysFile(apiKeys, config.gateway.stateDir ?? stateDir),
    config: found.join(', '),
    inline: apiKeys?.keys ?? [],
    accepted: apiKeys !== undefined,
  }
}

function stored(io: Io, { path }: KeyStore): readonly ApiKeyEntry[] {
  try {
    return readApiKeys(path)
  } catch (error) {
    throw unusable(io, path, error)
  }
}

function change(
  io: Io,
  { path }: KeyStore,
  change: (entries: readonly ApiKeyEntry[]) => readonly ApiKeyEntry[],
): void {
  try {
    changeApiKeys(path, change)
  } catch (error) {
    throw unusable(io, path, error)
  }
}

function unusable(io: Io, path: string, error: unknown): CliError {
  if (error instanceof CliError) return error
  const shown = shownPath(io, path)
  if (error instanceof FileBusyError) {
    return new CliError(
      `another command is changing ${shown}`,
      `If none is, one was killed while it did: remove ${shownPath(io, error.lock)}.`,
    )
  }
  return new CliError(`${shown}: ${error instanceof Error ? error.message : String(error)}`)
}

function newEntry(key: string, options: CreateKeyOptions): ApiKeyEntry {
  const parts = readKey(key)
  if (parts === undefined) throw new TypeError('A new key must be readable')
  const { tenant } = options
  return {
    name: valid('the name', options.name, parseKeyName),
    hash: storedHash(parts),
    scopes: [...new Set(options.scopes.map((scope) => valid('--scope', scope, parseScope)))],
    groups: [...new Set(options.groups.map((group) => valid('--group', group, parseGroup)))],
    tenant: tenant === undefined ? undefined : valid('--tenant', tenant, parseGroup),
    created: Date.now(),
    expires: expiryOf(options.expires),
  }
}

/** How requests with a new key have to be signed. */
async function signatureOf(
  io: Io,
  { name, inline, signatureKey: path }: CreateKeyOptions,
): Promise<RequiredSignature | undefined> {
  if (path === undefined) return undefined
  const text = await io.files.read(path).catch((error: unknown) => {
    throw unusable(io, path, error)
  })
  const parsed = signatureWith(text, name)
  if (!('value' in parsed)) throw new CliError(`--signature-key: ${parsed.expected}`)
  if (inline && holdsSecret(parsed.value)) {
    throw new CliError(
      '--inline: a secret does not belong into a configuration',
      'Take a public key, or leave --inline out: the file of keys is for its owner alone.',
    )
  }
  return parsed.value
}

function valid(what: string, text: string, parse: (found: unknown) => Parsed<string>): string {
  const parsed = parse(text)
  if ('value' in parsed) return parsed.value
  throw new CliError(`${what}: ${parsed.expected}; found ${JSON.stringify(oneLine(text, 40))}`)
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

function expiryOf(text: string): number | undefined {
  if (text === 'never') return undefined
  const [, digits, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  if (digits !== undefined && unit !== undefined) return Date.now() + Number(digits) * (UNITS[unit] ?? 0)
  const parsed = parseInstant(text)
  if (!('value' in parsed)) {
    throw new CliError(
      `--expires: expected a time such as 90d, 12h or 30m, a day such as 2027-01-31, or never`,
    )
  }
  if (parsed.value <= Date.now()) throw new CliError(`--expires: ${oneLine(text, 40)} is past`)
  return parsed.value
}

function requireFree(entry: ApiKeyEntry, others: readonly ApiKeyEntry[]): void {
  if (others.some(({ name }) => name === entry.name)) {
    throw new CliError(
      `there is a key named ${entry.name} already`,
      'Take another name, or revoke that key first: toolgate keys revoke ' + entry.name,
    )
  }
  if (others.some(({ hash }) => idOfHash(hash) === idOfHash(entry.hash))) {
    throw new CliError('the new key has the id of another by chance: try again')
  }
}

/** A key can be named by its name, its id, or itself: a leaked one is at hand, its name is not. */
function matches(entry: ApiKeyEntry, wanted: string): boolean {
  return (
    entry.name === wanted ||
    idOfHash(entry.hash) === (/^(?:tg_)?([0-9a-f]{8})(?:_|$)/.exec(wanted)?.[1] ?? '')
  )
}

function unknownKey(io: Io, { path }: KeyStore): CliError {
  // What was asked for is not repeated: it may be a key.
  return new CliError(`there is no such key in ${shownPath(io, path)}`, 'See them all: toolgate keys list')
}

/** A key for machines. */
function document(entry: ApiKeyEntry): Readonly<Record<string, unknown>> {
  return { id: idOfHash(entry.hash), ...toDocument(entry) }
}

function explanation(
  io: Io,
  made: { readonly entry: ApiKeyEntry; readonly store: KeyStore; readonly inline: boolean },
): string {
  const { entry, store, inline } = made
  const end = entry.expires === undefined ? 'It never expires.' : `It expires on ${day(entry.expires)}.`
  const lines = [
    inline
      ? `Add this to auth.apiKeys.keys of the configuration:\n\n${stringify([toStored(entry)], { lineWidth: 0 })}`
      : `Stored the hash of ${entry.name} in ${shownPath(io, store.path)}. ${end}`,
    'This is the key. It is shown only now; clients send it as Authorization: Bearer <key>.',
  ]
  if (store.accepted === false) {
    const { config = 'the configuration' } = store
    lines.push(
      `${paint(io.stderr, 'yellow', 'warning:')} a gateway with ${config} takes no API keys: add auth: { apiKeys: {} }`,
    )
  }
  return `${lines.join('\n')}\n`
}

function isExpired({ expires }: ApiKeyEntry, now: number): boolean {
  return expires !== undefined && expires <= now
}

function expiry(entry: ApiKeyEntry, now: number): string {
  if (entry.expires === undefined) return 'never'
  return isExpired(entry, now) ? `expired ${day(entry.expires)}` : day(entry.expires)
}

function rights({ scopes, groups, signature }: ApiKeyEntry): string {
  const all = [
    ...(signature === undefined ? [] : ['signed requests only']),
    ...scopes,
    ...groups.map((group) => `group ${group}`),
  ]
  return all.length === 0 ? '-' : oneLine(all.join(', '), 500)
}

function day(instant: number): string {
  return new Date(instant).toISOString().slice(0, 10)
}
