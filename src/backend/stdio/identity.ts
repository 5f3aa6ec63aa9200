import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readStat } from './proc.ts'

/** Milliseconds that `ps` may take. */
const PS_TIMEOUT = 2_000

/**
 * What tells a process from any other that ever had its id: on Linux the boot and its start in clock ticks since
 * then (proc(5), field 22 of `stat`), elsewhere the start time that `ps` prints. Undefined when there is no such
 * process, when it has ended and only waits for its parent, and on Windows.
 */
export function identityOf(pid: number, platform: string): string | undefined {
  if (platform === 'win32' || !Number.isSafeInteger(pid) || pid < 1) return undefined
  return platform === 'linux' ? linuxIdentity(pid) : psIdentity(pid)
}

function linuxIdentity(pid: number): string | undefined {
  const stat = readStat(pid)
  if (stat === undefined) return undefined
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${stat.start}`
  } catch {
    return undefined
  }
}

function psIdentity(pid: number): string | undefined {
  const options = {
    encoding: 'utf8',
    timeout: PS_TIMEOUT,
    env: { LC_ALL: 'C', PATH: '/bin:/usr/bin' },
  } as const
  const { status, stdout } = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], options)
  const [state = '', ...start] = stdout.trim().split(/\s+/)
  return status !== 0 || state === '' || state.startsWith('Z') ? undefined : start.join(' ')
}
