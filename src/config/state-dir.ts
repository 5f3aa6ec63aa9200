import { join, resolve } from 'node:path'
import type { Environment } from './interpolate.ts'

/**
 * The folder in which gateways keep what must outlive them or be found by the command line: `TOOLGATE_STATE_DIR`, or
 * `toolgate` in the state folder of the user (XDG Base Directory Specification 0.8).
 *
 * @param home absolute path of the user's home
 */
export function defaultStateDir(env: Environment, home: string): string {
  const own = env['TOOLGATE_STATE_DIR']
  if (own !== undefined && own !== '') return resolve(own)
  const state = env['XDG_STATE_HOME']
  // A relative path there is invalid and has to be ignored.
  const base = state?.startsWith('/') === true ? state : join(home, '.local', 'state')
  return join(base, 'toolgate')
}
