import type { Command } from 'commander'
import { absolute } from './config-file.ts'
import type { Io } from './io.ts'
import { createKeyCommand, listKeysCommand, revokeKeyCommand } from './keys.ts'
import type { KeysOptions } from './options.ts'
import { type Raw, type Run, collect, configOf, withConfig } from './program-options.ts'
import { rotateSealingCommand } from './rotate-sealing.ts'

interface RawKeys extends Raw {
  readonly file?: string
}

interface RawCreateKey extends RawKeys {
  readonly scope: readonly string[]
  readonly group: readonly string[]
  readonly tenant?: string
  readonly expires: string
  readonly signatureKey?: string
  readonly inline?: boolean
}

function keysOptions(io: Io, raw: RawKeys): KeysOptions {
  const { file, json } = raw
  return { ...configOf(raw), file: file === undefined ? undefined : absolute(io, file), json: json === true }
}

/** The commands below `toolgate keys`. */
export function addKeys(program: Command, run: Run): void {
  const keys = program
    .command('keys')
    .summary('make, list and revoke API keys')
    .description(
      'Makes, lists and revokes API keys, and rotates sealing keys. A gateway that runs notices API keys by itself; ' +
        'none has to run.',
    )
  const onKeys = (name: string): Command =>
    withConfig(keys.command(name))
      .option('--file <file>', 'file of keys (default: the one of the configuration)')
      .option('--json', 'print JSON')
  addCreate(onKeys('create'), run)
  onKeys('list')
    .summary('list the keys, without their secrets')
    .action(async (raw: RawKeys) => {
      run.code = await listKeysCommand(run.io, keysOptions(run.io, raw))
    })
  withConfig(keys.command('rotate-sealing'))
    .summary('seal with a new key what clients carry for the gateway')
    .description(
      'Puts a new sealing key before those of the state folder. What old ones sealed stays good for three rotations.',
    )
    .action(async (raw: Raw) => {
      run.code = await rotateSealingCommand(run.io, configOf(raw))
    })
  onKeys('revoke')
    .summary('make a key useless')
    .description('Revokes an API key. Streams and subscriptions that it opened end.')
    .argument('<key>', 'its name, its id, or the key itself')
    .action(async (wanted: string, raw: RawKeys) => {
      run.code = await revokeKeyCommand(run.io, { ...keysOptions(run.io, raw), wanted })
    })
}

function addCreate(command: Command, run: Run): void {
  command
    .summary('make a key and print it, once')
    .description('Makes an API key, prints it on standard output and stores its hash. It is shown only then.')
    .argument('<name>', 'who will call with it: the subject that policies and logs see')
    .option('--scope <scope>', 'a scope; repeat for more', collect, [])
    .option('--group <group>', 'a group; repeat for more', collect, [])
    .option('--tenant <tenant>', 'the tenant')
    .option('--expires <when>', 'such as 90d, 12h, 2027-01-31, or never', '90d')
    .option('--signature-key <file>', 'a public key (PEM) or secret that every request must be signed with')
    .option('--inline', 'print an entry for the configuration instead of storing one')
    .action(async (name: string, raw: RawCreateKey) => {
      const { scope: scopes, group: groups, tenant, expires, inline = false } = raw
      const signatureKey = raw.signatureKey === undefined ? undefined : absolute(run.io, raw.signatureKey)
      const options = {
        ...keysOptions(run.io, raw),
        signatureKey,
        name,
        scopes,
        groups,
        tenant,
        expires,
        inline,
      }
      run.code = await createKeyCommand(run.io, options)
    })
}
