import { join } from 'node:path'
import { type ApiKeyEntry, type ApiKeysConfig, apiKeyEntries } from '../config/api-keys-schema.ts'
import { shownSignature, writtenSignature } from '../config/required-signature-schema.ts'
import { type ConfigPath, formatPath } from '../config/problem.ts'
import { changePrivateFile, readPrivateFile } from '../config/private-file.ts'

/** The file in which `toolgate keys` and a gateway with this configuration keep API keys. */
export function apiKeysFile(config: ApiKeysConfig | undefined, stateDir: string): string {
  return config?.file ?? join(stateDir, 'api-keys.json')
}

/**
 * Reads the file of API keys.
 *
 * @returns the keys; none if there is no file
 * @throws Error that says what is wrong with the file, without showing what is in it
 */
export function readApiKeys(path: string): readonly ApiKeyEntry[] {
  return parseApiKeys(readPrivateFile(path))
}

/**
 * Changes the file of API keys, or makes it. A running gateway notices by itself.
 *
 * @throws FileBusyError, what `change` throws, or an Error that says what is wrong with the file
 */
export function changeApiKeys(
  path: string,
  change: (entries: readonly ApiKeyEntry[]) => readonly ApiKeyEntry[],
): void {
  changePrivateFile(path, (text) => format(change(parseApiKeys(text))))
}

/**
 * Understands the text of the file; undefined means that there is none.
 *
 * @throws Error that says what is wrong with it, without showing what is in it
 */
export function parseApiKeys(text: string | undefined): readonly ApiKeyEntry[] {
  if (text === undefined) return []
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    // The reason of the parser would quote the text.
    throw new Error('is not JSON')
  }
  const keys =
    typeof document === 'object' && document !== null && 'keys' in document ? document.keys : undefined
  const result = apiKeyEntries.safeParse(keys)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const where = formatPath(['keys', ...((issue?.path ?? []) as ConfigPath)])
  const what = issue?.code === 'custom' ? issue.message : 'not what `toolgate keys` writes'
  throw new Error(`is wrong at ${where}: ${what}`)
}

function format(entries: readonly ApiKeyEntry[]): string {
  return `${JSON.stringify({ keys: entries.map(toStored) }, null, 2)}\n`
}

/** An API key as it is stored. May hold a secret that requests are signed with. */
export function toStored(entry: ApiKeyEntry): Readonly<Record<string, unknown>> {
  const { signature } = entry
  return {
    ...toDocument(entry),
    ...(signature === undefined ? {} : { signature: writtenSignature(signature) }),
  }
}

/** What can be shown of an API key, with times that people can read: all but what its requests are signed with. */
export function toDocument(entry: ApiKeyEntry): Readonly<Record<string, unknown>> {
  const { name, hash, scopes, groups, tenant, signature, created, expires } = entry
  return {
    name,
    hash,
    scopes,
    groups,
    ...(tenant === undefined ? {} : { tenant }),
    ...(signature === undefined ? {} : { signature: shownSignature(signature) }),
    ...(created === undefined ? {} : { created: new Date(created).toISOString() }),
    ...(expires === undefined ? {} : { expires: new Date(expires).toISOString() }),
  }
}
