import { randomBytes } from 'node:crypto'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What a running gateway tells the command line of the same user. */
export interface Announcement {
  /** Where clients connect. */
  readonly url: string
  /** Its admin listener, if it has one. */
  readonly admin?: string
  /** For the admin listener. Secret. */
  readonly token?: string
  readonly pid: number
}

/** A fresh admin token. */
export function createToken(): string {
  return randomBytes(32).toString('base64url')
}

/**
 * Writes `<stateDir>/gateways/<pid>.json`, readable by the user alone, so that commands such as `toolgate status` find the gateway.
 *
 * @returns removes it again
 */
export async function announce(stateDir: string, announcement: Announcement): Promise<() => Promise<void>> {
  const folder = join(stateDir, 'gateways')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, `${announcement.pid}.json`)
  await writeFile(`${file}.new`, JSON.stringify(announcement), { mode: 0o600 })
  await rename(`${file}.new`, file)
  return () => rm(file, { force: true })
}
