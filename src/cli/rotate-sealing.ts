import { FileBusyError } from '../config/private-file.ts'
import { defaultStateDir } from '../config/state-dir.ts'
import { rotateSealingKeys, sealingKeysFile } from '../seal/key-file.ts'
import { namedConfig, requireConfig, shownPath } from './config-file.ts'
import { CliError, type Io } from './io.ts'
import type { ConfigOptions } from './options.ts'
import { paint } from './text.ts'

/** `toolgate keys rotate-sealing`: new handles are sealed with a new key, the last few keys still open old ones. */
export async function rotateSealingCommand(io: Io, options: ConfigOptions): Promise<number> {
  const files = await namedConfig(io, options)
  const config = files.length === 0 ? undefined : await requireConfig(io, { ...options, config: files })
  if (files.length > 0 && config === undefined) return 1
  if (config?.gateway.sealing !== undefined) {
    throw new CliError(
      `the sealing keys stand in the configuration, ${files.join(', ')}, which is yours to edit`,
      'Put a new key last in gateway.sealing.keys on every gateway, then first, and remove the old one when no client ' +
        "uses what it sealed. Make one: openssl rand -base64 32 | tr '+/' '-_' | tr -d '='",
    )
  }
  const stateDir = config?.gateway.stateDir ?? defaultStateDir(io.env, io.home)
  const count = rotate(io, stateDir)
  const others = count === 1 ? 'There was none before.' : `What the last ${count - 1} sealed stays good.`
  io.stderr.write(
    `${paint(io.stderr, 'green', `Rotated ${shownPath(io, sealingKeysFile(stateDir))}.`)} ${others}\n` +
      'Gateways use the new key from their next start on.\n',
  )
  return 0
}

function rotate(io: Io, stateDir: string): number {
  try {
    return rotateSealingKeys(stateDir)
  } catch (error) {
    const shown = shownPath(io, sealingKeysFile(stateDir))
    if (error instanceof FileBusyError) {
      const hint = `If none is, one was killed while it did: remove ${shownPath(io, error.lock)}.`
      throw new CliError(`another command is changing ${shown}`, hint)
    }
    throw new CliError(`${shown} ${error instanceof Error ? error.message : String(error)}`)
  }
}
