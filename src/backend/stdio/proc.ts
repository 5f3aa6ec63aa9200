import { readFileSync, readdirSync } from 'node:fs'

/** What Linux says about a running process (proc(5), `stat`). */
export interface ProcessStat {
  /** Id of its process group. */
  readonly group: number
  /** Start in clock ticks since the boot, as it was written. */
  readonly start: string
}

/** The ids of all processes that the gateway may see. */
export function listProcesses(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

/** Undefined when there is no such process, or when it has ended and only waits to be collected. */
export function readStat(pid: number): ProcessStat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // Field 2 is the command in parentheses and may hold spaces and parentheses itself; the next is field 3.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, , group] = fields
    const start = fields[22 - 3]
    if (start === undefined || state === 'Z' || state === 'X') return undefined
    return { group: Number(group), start }
  } catch {
    return undefined
  }
}
