import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** Microseconds in one tick of `/proc/<pid>/stat`; read once, because it is a constant of the kernel. */
const readTickUs = (): number => 1e6 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
let tickUs: number | undefined

const childrenOf = (pid: number): readonly number[] =>
  readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    const children = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim()
    return children === '' ? [] : children.split(' ').map(Number)
  })

/**
 * The user and system ticks in the text of `/proc/<pid>/stat` (proc_pid_stat(5), fields 14 and 15). The command
 * name stands in parentheses and may itself hold spaces and parentheses, so the fields count from the last one.
 */
export const ticksOf = (stat: string): number => {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

/**
 * CPU time that a process, all of its threads and its living descendants have used so far, in microseconds, in
 * steps of one kernel tick (10 ms as a rule). A proxy may be a wrapper or a master with workers, so the whole
 * tree counts.
 *
 * @throws Error if the process does not exist, or the system has no `/proc`
 */
export const cpuTimeUs = (pid: number): number => {
  tickUs ??= readTickUs()
  const own = ticksOf(readFileSync(`/proc/${pid}/stat`, 'utf8')) * tickUs
  return childrenOf(pid).reduce((sum, child) => sum + cpuTimeUs(child), own)
}
