/** The process that a gateway runs in, and the package that it came with. Beside main.ts the only file that touches `process`. */
import { readFileSync } from 'node:fs'
import type { HostProcess } from './backend/stdio/ports.ts'

/** The manifest beside us, or one folder up when run from source. */
export interface Manifest {
  readonly version: string
  readonly engines: { readonly node: string }
}

/** Reads the manifest of this package. */
export function readManifest(): Manifest {
  const place = import.meta.url.endsWith('.ts') ? '../package.json' : './package.json'
  return JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as Manifest
}

/** This process, for backends that are its children. */
export function processHost(): HostProcess {
  return {
    pid: process.pid,
    platform: process.platform,
    env: process.env,
    kill: (pid, signal) => void process.kill(pid, signal),
  }
}
