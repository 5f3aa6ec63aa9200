import { NAME, configOf } from '../config/from-value.ts'
import type { Config, ListenAddress } from '../config/types.ts'
import type { Log } from '../pipeline/log.ts'
import { ConfigError } from './config-error.ts'
import type { BackendInput, GatewayInput } from './input.ts'

/** Backends of one gateway at most. */
const MOST_BACKENDS = 1000

/** The configuration of an embedded gateway, which grows and shrinks with its backends. */
export interface LiveSettings {
  readonly config: Config
  /** @throws ConfigError if the name is taken, or with everything that is wrong with the settings */
  with(name: string, backend: BackendInput): LiveSettings
  /** Undefined where there is no such backend. */
  without(name: string): LiveSettings | undefined
  /** @throws ConfigError where it is not safe to listen there */
  listeningAt(address: ListenAddress): ListenAddress
}

/** What reading settings needs. */
export interface SettingsPorts {
  readonly log: Log
  /** Absolute folder that relative paths start from. */
  readonly dir: string
}

/**
 * Reads the configuration.
 *
 * @throws ConfigError with everything that is wrong
 */
export function readSettings(input: GatewayInput, ports: SettingsPorts): LiveSettings {
  const { backends = {} } = input
  const config = read({ ...input, backends }, ports)
  return {
    config,
    with(name, backend) {
      if (Object.hasOwn(backends, name))
        throw problem(`backends.${name}`, 'this name is taken: remove its backend first')
      if (Object.keys(backends).length >= MOST_BACKENDS)
        throw problem('backends', `there are ${MOST_BACKENDS} backends already`)
      return readSettings({ ...input, backends: { ...backends, [name]: backend } }, ports)
    },
    without(name) {
      if (!Object.hasOwn(backends, name)) return undefined
      const { [name]: _, ...others } = backends
      return readSettings({ ...input, backends: others }, ports)
    },
    listeningAt({ host, port }) {
      const listen = `${host.includes(':') ? `[${host}]` : host}:${port}`
      return read({ ...input, backends, gateway: { ...input.gateway, listen } }, ports).gateway.listen
    },
  }
}

/** The admin listener and the log file of the command belong to processes that are a gateway, not to those that have one. */
function read(input: GatewayInput, { log, dir }: SettingsPorts): Config {
  const result = configOf({ ...input, admin: false }, dir)
  if (!result.ok) throw new ConfigError(result.problems)
  for (const { path, message } of result.warnings) {
    // It fills up later.
    if (path !== 'backends') log('warn', 'a doubt about the configuration', { path, problem: message })
  }
  return result.config
}

function problem(path: string, message: string): ConfigError {
  return new ConfigError([{ file: NAME, line: 0, column: 0, path, message }])
}
