import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { launchUntilReady } from '../processes.ts'
import type { Proxy } from '../proxy.ts'

const PROGRAM = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Toolgate as it comes: one modern HTTP backend on `/mcp/bench`, every default filter on. */
export const proxy: Proxy = {
  name: 'toolgate',
  order: 30,
  start: async (backendUrl, workdir) => {
    if (!existsSync(PROGRAM)) return { kind: 'skipped', reason: `${PROGRAM} does not exist` }
    const config = join(workdir, 'toolgate.yaml')
    // JSON is YAML.
    await writeFile(
      config,
      JSON.stringify({
        gateway: { listen: '127.0.0.1:0' },
        admin: { listen: '127.0.0.1:0' },
        backends: { bench: { url: backendUrl } },
      }),
    )
    const gateway = await launchUntilReady(
      'proxy',
      [process.execPath, PROGRAM, 'serve', '-c', config, '--json'],
      workdir,
    )
    return { kind: 'running', ...gateway, url: new URL('/mcp/bench', gateway.url).href }
  },
}
