import { fileURLToPath } from 'node:url'
import { launchUntilReady } from '../processes.ts'
import type { Proxy } from '../proxy.ts'

const PROGRAM = fileURLToPath(new URL('../servers/sdk.ts', import.meta.url))

/** What a proxy costs that is made from the official SDK. */
export const proxy: Proxy = {
  name: 'sdk',
  order: 90,
  start: async (backendUrl, workdir) => ({
    kind: 'running',
    ...(await launchUntilReady('proxy', [process.execPath, PROGRAM, backendUrl], workdir)),
  }),
}
