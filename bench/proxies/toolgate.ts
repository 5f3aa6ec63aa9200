import { existsSync } from 'node:fs'
import type { Proxy } from '../proxy.ts'
import { PROGRAM, launchToolgate } from '../toolgate.ts'

/** Toolgate as it comes: one modern HTTP backend on `/mcp/bench`, every default filter on. */
export const proxy: Proxy = {
  name: 'toolgate',
  order: 30,
  start: async (backendUrl, workdir) => {
    if (!existsSync(PROGRAM)) return { kind: 'skipped', reason: `${PROGRAM} does not exist` }
    const gateway = await launchToolgate(workdir, { bench: { url: backendUrl } })
    return { kind: 'running', ...gateway, url: new URL('/mcp/bench', gateway.url).href }
  },
}
