import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Launched, launchUntilReady } from './processes.ts'

/** The default limit, with room for the load: a sliding window per principal, checked at every call. */
export const WIDE_LIMITS: readonly object[] = [{ name: 'default', key: ['principal'], rate: '1000000/1m' }]

/** Where the program is. */
export const PROGRAM: string = fileURLToPath(new URL('../src/main.ts', import.meta.url))

/**
 * Starts the gateway in front of these backends. `url` is that of the aggregate.
 *
 * @param settings further sections of its configuration; none by default, but for limits with room for the load
 */
export const launchToolgate = async (
  workdir: string,
  backends: Readonly<Record<string, unknown>>,
  settings: Readonly<Record<string, unknown>> = { limits: WIDE_LIMITS },
): Promise<Launched & { readonly url: string }> => {
  const config = join(workdir, 'toolgate.yaml')
  const listeners = { gateway: { listen: '127.0.0.1:0' }, admin: { listen: '127.0.0.1:0' } }
  // JSON is YAML.
  await writeFile(config, JSON.stringify({ ...listeners, backends, ...settings }))
  return launchUntilReady('proxy', [process.execPath, PROGRAM, 'serve', '-c', config, '--json'], workdir)
}
