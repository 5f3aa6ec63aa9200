/** The official servers, as they come from npm. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Configured, Scope } from './scope.ts'

const { resolve } = createRequire(import.meta.url)

function programOf(name: 'everything' | 'filesystem' | 'memory'): string {
  const manifest = resolve(`@modelcontextprotocol/server-${name}/package.json`)
  return join(dirname(manifest), 'dist', 'index.js')
}

/** `server-everything` over stdio. */
export const everything: Configured = {
  settings: { command: process.execPath, args: [programOf('everything'), 'stdio'] },
}

/** `server-filesystem` over stdio, allowed to see one folder. */
export const filesystem = (folder: string): Configured => ({
  settings: { command: process.execPath, args: [programOf('filesystem'), folder] },
})

/** `server-memory` over stdio, keeping its graph in one file. */
export const memory = (file: string): Configured => ({
  settings: { command: process.execPath, args: [programOf('memory')], env: { MEMORY_FILE_PATH: file } },
})

/** `server-everything` over Streamable HTTP, as a process of its own. */
export async function everythingOverHttp(scope: Scope): Promise<Configured> {
  const port = await freePort()
  const child = spawn(process.execPath, [programOf('everything'), 'streamableHttp'], {
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'exit')
  scope.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  for await (const text of createInterface({ input: child.stderr })) {
    if (text.includes(`listening on port ${port}`)) {
      child.stderr.resume()
      return { settings: { url: `http://127.0.0.1:${port}/mcp` } }
    }
  }
  throw new Error('server-everything did not start to listen')
}

/** A port that was free a moment ago: this server cannot be told to take any. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
