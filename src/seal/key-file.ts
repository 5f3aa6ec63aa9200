import { join } from 'node:path'
import { changePrivateFile, createPrivateFile, readPrivateFile } from '../config/private-file.ts'
import { type SealingConfig, formatSealingKey, parseSealingKey } from '../config/sealing-schema.ts'
import type { Log } from '../pipeline/log.ts'
import { randomKey } from './seal.ts'

/** At least one key: the first seals, all of them open. */
export type SealingKeys = readonly [Uint8Array, ...(readonly Uint8Array[])]

/** Keys that a rotation keeps, the new one among them. */
const KEPT = 4

/** The file that holds the sealing keys, one in a line, while the configuration has none. */
export function sealingKeysFile(stateDir: string): string {
  return join(stateDir, 'sealing-keys')
}

/**
 * The sealing keys of a state folder. The first one is made when there is none; several gateways that start at once agree
 * on it.
 *
 * @throws Error that says what is wrong with the file, or that of the system
 */
export function openSealingKeys(stateDir: string): SealingKeys {
  const path = sealingKeysFile(stateDir)
  return parse(readPrivateFile(path) ?? createPrivateFile(path, `${formatSealingKey(randomKey())}\n`))
}

/** The keys of a configuration, or else of the state folder, or else such as end with the process. */
export function sealingKeys(
  config: SealingConfig | undefined,
  stateDir: string | undefined,
  log: Log,
): SealingKeys {
  const [first, ...others] = config?.keys ?? []
  if (first !== undefined) return [first, ...others]
  if (stateDir === undefined) return [randomKey()]
  try {
    return openSealingKeys(stateDir)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    log('warn', 'The sealing keys cannot be kept: cursors and task ids end with this process', {
      stateDir,
      reason,
    })
    return [randomKey()]
  }
}

/**
 * Puts a new key before those that are there: it seals from the next start of a gateway on, and what the last few sealed
 * stays good.
 *
 * @returns how many keys there are now
 * @throws FileBusyError, or an Error that says what is wrong with the file
 */
export function rotateSealingKeys(stateDir: string): number {
  const text = changePrivateFile(sealingKeysFile(stateDir), (before) => {
    const keys = [randomKey(), ...(before === undefined ? [] : parse(before))].slice(0, KEPT)
    return keys.map((key) => `${formatSealingKey(key)}\n`).join('')
  })
  return parse(text).length
}

function parse(text: string): SealingKeys {
  const [first, ...others] = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const parsed = parseSealingKey(line)
      if (!('value' in parsed)) throw new Error('holds something else than sealing keys')
      return parsed.value
    })
  if (first === undefined) throw new Error('is empty')
  return [first, ...others]
}
