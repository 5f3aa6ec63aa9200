// What the official suite runs as "the client": a gateway, and a client of our own in front of it.
// Usage: node test/conformance/client/via-gateway.ts modern|legacy auto|modern|legacy GATEWAY_PROGRAM SERVER_URL
// (era of the client; era towards the server; the suite appends the URL). Exit code 1 when the client failed.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { startGateway } from '../gateway.ts'
import { driveLegacy } from './driver-legacy.ts'
import { driveModern } from './driver-modern.ts'
import { ERRANDS, parseContext } from './errands.ts'

/** The suite ends only the shell around this program, and after 30 s. */
const LIMIT_MS = 20_000

const ARGUMENTS = z.tuple([
  z.enum(['modern', 'legacy']),
  z.enum(['auto', 'modern', 'legacy']),
  z.string(),
  z.url(),
])

const [driver, era, program, url] = ARGUMENTS.parse(process.argv.slice(2))
const scenario = process.env['MCP_CONFORMANCE_SCENARIO'] ?? ''
const errand = ERRANDS[scenario]
const signal = AbortSignal.timeout(LIMIT_MS)
signal.addEventListener('abort', () => {
  console.error(`the client was not done after ${LIMIT_MS} ms`)
  process.exitCode = 1
})

if (errand === undefined) {
  console.error(`Unknown scenario: ${scenario}`)
  process.exitCode = 2
} else {
  const folder = await mkdtemp(join(tmpdir(), 'toolgate-client-conformance-'))
  try {
    await using gateway = await startGateway({ program, backend: { url, era }, folder, signal })
    const drive = driver === 'modern' ? driveModern : driveLegacy
    const late = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('too late')))
    })
    try {
      await Promise.race([
        drive(gateway.ready, errand, parseContext(process.env['MCP_CONFORMANCE_CONTEXT'])),
        late,
      ])
    } catch (error) {
      console.error(error, `\nlast output of the gateway:\n${gateway.lastOutput()}`)
      process.exitCode = 1
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  // Whatever a client that failed has left open.
  process.exit()
}
