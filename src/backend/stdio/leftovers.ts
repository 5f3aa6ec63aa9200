import { chmodSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { groupRuns, signalGroup } from './group.ts'
import { identityOf } from './identity.ts'
import { type ChildLedger, DEFAULT_GRACE, type EndingPorts } from './ports.ts'
import { waitUntil } from './wait.ts'

/** A process by its id and the identity that tells it from a later one with the same id. */
interface ProcessMark {
  readonly pid: number
  readonly identity: string
}

/** A child in a record; it leads a process group of the same id. */
interface ChildMark extends ProcessMark {
  readonly command: string
}

/** What one gateway wrote about its children. */
interface LedgerRecord {
  readonly gateway: ProcessMark
  readonly children: readonly ChildMark[]
}

/** A process of an earlier gateway that was found running. */
export interface LeftoverProcess {
  readonly pid: number
  readonly command: string
  /** False when it could not be ended. */
  readonly ended: boolean
}

const folderOf = (stateDir: string): string => path.join(stateDir, 'children')

/**
 * Keeps the children of this gateway in `<stateDir>/children/<gateway pid>-<start>.json` (mode 0600 in a folder of
 * mode 0700; written whole and renamed), so that {@link reapLeftovers} finds them if the gateway is killed. There is no file
 * while there are no children. What cannot be recorded is logged and works without.
 */
export function openChildLedger(stateDir: string, ports: Pick<EndingPorts, 'host' | 'log'>): ChildLedger {
  const { host, log } = ports
  const identity = identityOf(host.pid, host.platform)
  const children = new Map<number, ChildMark>()
  const file = path.join(folderOf(stateDir), `${host.pid}-${(identity ?? '').replace(/\W+/g, '-')}.json`)

  const write = (): void => {
    if (identity === undefined) return
    try {
      if (children.size === 0) return rmSync(file, { force: true })
      // Written before anything else happens to the child: the gateway may be killed at any moment.
      mkdirSync(folderOf(stateDir), { recursive: true, mode: 0o700 })
      chmodSync(folderOf(stateDir), 0o700)
      const record: LedgerRecord = { gateway: { pid: host.pid, identity }, children: [...children.values()] }
      writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600 })
      renameSync(`${file}.new`, file)
    } catch (error) {
      log('warn', 'Child processes could not be recorded', { file, error: String(error) })
    }
  }
  return {
    add: (pid, command) => {
      const identity = identityOf(pid, host.platform)
      if (identity === undefined) return
      children.set(pid, { pid, identity, command })
      write()
    },
    remove: (pid) => {
      if (children.delete(pid)) write()
    },
  }
}

/**
 * Ends the children of gateways that are gone: whatever still runs and is beyond doubt the recorded process, with
 * its group (SIGTERM, grace, SIGKILL, grace). Records are removed once nothing of them runs; those of running
 * gateways are left alone, those that cannot be read are removed with a warning. Takes at most two graces.
 *
 * @returns what was found running
 */
export async function reapLeftovers(
  stateDir: string,
  ports: EndingPorts,
): Promise<readonly LeftoverProcess[]> {
  const found = await Promise.all(recordFiles(stateDir).map((file) => reapRecord(file, ports)))
  return found.flat()
}

function recordFiles(stateDir: string): readonly string[] {
  try {
    const names = readdirSync(folderOf(stateDir)).filter((name) => /\.json(\.new)?$/.test(name))
    return names.map((name) => path.join(folderOf(stateDir), name))
  } catch {
    // No folder: no gateway had children here.
    return []
  }
}

async function reapRecord(file: string, ports: EndingPorts): Promise<readonly LeftoverProcess[]> {
  const { host, log } = ports
  try {
    // An unfinished record; its predecessor, if any, is still there.
    if (file.endsWith('.new')) {
      if (!ownerLives(path.basename(file), host.platform)) rmSync(file, { force: true })
      return []
    }
    const record = readRecord(file)
    if (record !== undefined && isAlive(record.gateway, host.platform)) return []
    if (record === undefined) log('warn', 'Removed an unreadable record of child processes', { file })
    const left = record?.children.filter((child) => isAlive(child, host.platform)) ?? []
    const ended = await Promise.all(left.map((child) => endChild(child, ports)))
    if (ended.every((one) => one.ended)) rmSync(file, { force: true })
    return ended
  } catch (error) {
    log('warn', 'A record of child processes could not be worked through', { file, error: String(error) })
    return []
  }
}

function ownerLives(name: string, platform: string): boolean {
  const pid = Number.parseInt(name, 10)
  return name.startsWith(`${pid}-${(identityOf(pid, platform) ?? '?').replace(/\W+/g, '-')}.`)
}

function isAlive({ pid, identity }: ProcessMark, platform: string): boolean {
  return identityOf(pid, platform) === identity
}

async function endChild(child: ChildMark, ports: EndingPorts): Promise<LeftoverProcess> {
  const { clock, host, grace = DEFAULT_GRACE } = ports
  const { pid, command } = child
  let leaderLeft = false
  let gone = false
  // While the leader is the recorded one the group is its own; after that the id stays taken as long as the group
  // has members, and is never used again here once it was seen to be free.
  const isGone = (): boolean => {
    leaderLeft ||= !isAlive(child, host.platform)
    return (gone ||= leaderLeft && !groupRuns(host, pid))
  }
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (isGone()) break
    signalGroup(host, pid, signal)
    if (await waitUntil(isGone, clock, { ms: grace, every: 50 })) break
  }
  return { pid, command, ended: gone }
}

/** The record, or undefined when it is not one to the letter: ids out of it are sent signals. */
function readRecord(file: string): LedgerRecord | undefined {
  try {
    const record: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (!isObject(record) || !isMark(record['gateway']) || !Array.isArray(record['children']))
      return undefined
    const children: readonly unknown[] = record['children']
    return children.every(isChild) ? { gateway: record['gateway'], children } : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function isMark(value: unknown): value is ProcessMark {
  if (!isObject(value)) return false
  const { pid, identity } = value
  return Number.isSafeInteger(pid) && (pid as number) >= 1 && typeof identity === 'string' && identity !== ''
}

function isChild(value: unknown): value is ChildMark {
  // Ids 0 and 1 would mean everybody when a signal is sent to a group.
  return isMark(value) && value.pid > 1 && typeof (value as { command?: unknown }).command === 'string'
}
