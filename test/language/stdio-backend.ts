import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Journal, createJournal } from './journal.ts'
import type { Configured, Scope } from './scope.ts'
import type { ServerKind } from './servers.ts'
import { EVERY_BEHAVIOUR, type Script, type Sighting, type ToolScript } from './stage.ts'

/** What the test tells the process of a scripted stdio backend, a line of JSON each. */
export type Order = { readonly do: 'change'; readonly script: Partial<Script> } | { readonly do: 'release' }

/** What the process tells the test, a line of JSON each. */
export type Report = { readonly pid: number } | { readonly saw: Sighting }

/** The begin or the end of a process: its connection with the test ends with it. */
export interface Life {
  readonly event: 'began' | 'ended'
  readonly pid: number
}

/** A scripted backend that the gateway starts as a process. */
export interface StdioBackend extends Configured {
  readonly journal: Journal<Sighting>
  /** Processes as they begin and end. */
  readonly lives: Journal<Life>
  /** Ids of the processes that run now. */
  running(): readonly number[]
  release(): void
  /** Has other tools from now on, and tells the client. */
  setTools(tools: readonly ToolScript[]): void
}

const program = fileURLToPath(new URL('./stdio-process.ts', import.meta.url))

/**
 * Prepares a process that serves a script on its standard streams. Its pipe belongs to the gateway, so it reports
 * to the test over a socket of its own. A stubborn one does not end when its standard input does.
 */
export async function stdioServer(
  scope: Scope,
  kind: ServerKind,
  script: Partial<Script> & { readonly stubborn?: boolean } = {},
): Promise<StdioBackend> {
  const full: Script = { label: `stdio-${kind}`, tools: EVERY_BEHAVIOUR, ...script }
  const journal = createJournal<Sighting>(full.label)
  const lives = createJournal<Life>(`the processes of ${full.label}`)
  const running = new Set<number>()
  const sockets = new Set<Socket>()
  let now = full
  const control = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    socket.write(line({ do: 'change', script: now }))
    createInterface({ input: socket }).on('line', (text) => {
      const report = JSON.parse(text) as Report
      if ('saw' in report) return journal.record(report.saw)
      const { pid } = report
      running.add(pid)
      lives.record({ event: 'began', pid })
      socket.on('close', () => {
        running.delete(pid)
        lives.record({ event: 'ended', pid })
      })
    })
  })
  control.listen(0, '127.0.0.1')
  await once(control, 'listening')
  scope.after(async () => {
    sockets.forEach((socket) => socket.destroy())
    control.close()
    await once(control, 'close')
  })
  const order = (one: Order): void => sockets.forEach((socket) => socket.write(line(one)))
  const { port } = control.address() as AddressInfo
  return {
    settings: {
      command: process.execPath,
      args: [program, kind, String(port), ...(script.stubborn === true ? ['stubborn'] : [])],
    },
    journal,
    lives,
    running: () => [...running],
    release: () => order({ do: 'release' }),
    setTools(tools) {
      now = { ...now, tools }
      order({ do: 'change', script: { tools } })
    },
  }
}

function line(order: Order): string {
  return `${JSON.stringify(order)}\n`
}
