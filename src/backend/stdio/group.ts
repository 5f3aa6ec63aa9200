import { readStat, listProcesses } from './proc.ts'
import type { HostProcess, KillSignal } from './ports.ts'

/** A process group led by the process of that id; on Windows, which has no groups, the process alone. */
function target(host: HostProcess, leader: number): number {
  // Group 0 and 1 would be the gateway's own group and everything there is.
  if (!Number.isSafeInteger(leader) || leader <= 1) throw new RangeError(`Not the id of a child: ${leader}`)
  return host.platform === 'win32' ? leader : -leader
}

/** Sends a signal to a group and says whether it still has members (as far as the gateway may know). */
export function signalGroup(host: HostProcess, leader: number, signal: KillSignal): boolean {
  try {
    host.kill(target(host, leader), signal)
    return true
  } catch (error) {
    if (error instanceof RangeError) throw error
    // EPERM: there is somebody, who is not ours to end.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * Whether anybody of a group still runs. Members that have ended and only wait to be collected do not count: in a
 * container they may do so for ever.
 */
export function groupRuns(host: HostProcess, leader: number): boolean {
  if (!signalGroup(host, leader, 0)) return false
  if (host.platform !== 'linux') return true
  try {
    return listProcesses().some((pid) => readStat(pid)?.group === leader)
  } catch {
    return true
  }
}
