import { isDeepStrictEqual } from 'node:util'
import type { BackendConfig } from '../config/types.ts'
import type { Backend } from './backend.ts'
import { createBackend } from './create.ts'
import type { BackendPorts } from './ports.ts'

/** The backends beyond a change of the configuration: with the same settings, one stays what it is. */
export interface BackendRegistry {
  /**
   * Goes on with these.
   *
   * @returns them in their order, by name; and those that are not among them any more, which are left to be closed
   */
  keep(configs: readonly BackendConfig[]): {
    readonly backends: ReadonlyMap<string, Backend>
    readonly gone: readonly Backend[]
  }
}

interface Kept {
  readonly config: BackendConfig
  readonly backend: Backend
}

/** Creates a registry that holds none. */
export function createBackendRegistry(ports: BackendPorts): BackendRegistry {
  let kept: ReadonlyMap<string, Kept> = new Map()
  const take = (config: BackendConfig): Kept => {
    const before = kept.get(config.name)
    if (before !== undefined && isDeepStrictEqual(before.config, config)) return before
    return { config, backend: createBackend(config, ports) }
  }
  return {
    keep(configs) {
      const before = kept
      kept = new Map(configs.map((config) => [config.name, take(config)]))
      const gone = [...before.values()].filter(({ backend }) => kept.get(backend.name)?.backend !== backend)
      return {
        backends: new Map([...kept].map(([name, { backend }]) => [name, backend])),
        gone: gone.map(({ backend }) => backend),
      }
    },
  }
}
