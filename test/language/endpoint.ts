/** One endpoint of a backend, as a process that can be killed, stopped and started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Scope } from './scope.ts'
import type { ServerKind } from './servers.ts'

const program = fileURLToPath(new URL('endpoint-process.ts', import.meta.url))

/** A server in a process of its own. Its label stands in front of every answer. */
export interface EndpointProcess {
  readonly label: string
  readonly url: string
  /** Dies at once, with every connection. */
  kill(): Promise<void>
  /** Does nothing from now on, not even close a connection. */
  freeze(): void
  /** Goes on where it was frozen. */
  thaw(): void
  /** Comes back at the same address after it was killed. */
  start(): Promise<void>
}

/** Starts a server of that kind in a process of its own. */
export async function endpointProcess(
  scope: Scope,
  kind: ServerKind,
  label: string,
): Promise<EndpointProcess> {
  let child: ChildProcess | undefined
  const run = async (port: string): Promise<string> => {
    const started = spawn(process.execPath, [program, kind, port, label], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    child = started
    const [url] = (await once(createInterface({ input: started.stdout }), 'line')) as [string]
    return url
  }
  const kill = async (): Promise<void> => {
    const dying = child
    child = undefined
    if (dying === undefined) return
    const gone = once(dying, 'exit')
    dying.kill('SIGKILL')
    await gone
  }
  const url = await run('0')
  scope.after(kill)
  return {
    label,
    url,
    kill,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    start: async () => void (await run(new URL(url).port)),
  }
}
