import { fileURLToPath } from 'node:url'
import { launchUntilReady } from '../processes.ts'
import type { Proxy } from '../proxy.ts'

const PROGRAM = fileURLToPath(new URL('../servers/bare.ts', import.meta.url))

/** The yardstick: node:http in, undici out, nothing else. */
export const proxy: Proxy = {
  name: 'bare',
  order: 10,
  start: async (backendUrl, workdir) => ({
    kind: 'running',
    ...(await launchUntilReady('proxy', [process.execPath, PROGRAM, backendUrl], workdir)),
  }),
}
