// Usage: node test/language/stdio-process.ts modern|legacy|v1 CONTROL_PORT [stubborn]
// A scripted backend as a process: its script comes over the control port, and what it sees goes there.
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { StdioServerTransport as StdioTransportV1 } from '@modelcontextprotocol/sdk/server/stdio.js'
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio'
import { createJournal } from './journal.ts'
import { serverV1, serverV2 } from './servers.ts'
import { type Script, type Sighting, createStage } from './stage.ts'
import type { Order, Report } from './stdio-backend.ts'

const [kind = '', port = '', manner = ''] = process.argv.slice(2)
const control = connect(Number(port), '127.0.0.1')
const tell = (report: Report): void => void control.write(`${JSON.stringify(report)}\n`)
const orders = createInterface({ input: control })
const [first] = (await once(orders, 'line')) as [string]
const opening = JSON.parse(first) as Extract<Order, { do: 'change' }>

const script = opening.script as Script
const journal = createJournal<Sighting>(script.label)
const stage = createStage(script, { ...journal, record: (saw) => tell({ saw }) })

const announce = await serve()
orders.on('line', (text) => {
  const order = JSON.parse(text) as Order
  if (order.do === 'release') return stage.release()
  stage.change(order.script)
  void announce()
})
control.on('close', () => process.exit(0))
if (manner !== 'stubborn') process.stdin.on('end', () => process.exit(0))
tell({ pid: process.pid })

/** Serves the pipe; yields how to say that the tools changed. */
async function serve(): Promise<() => Promise<void>> {
  if (kind === 'v1') {
    const server = serverV1(stage)
    await server.connect(new StdioTransportV1())
    return async () => server.sendToolListChanged()
  }
  if (kind === 'legacy') {
    // A server connected by hand speaks only the legacy era.
    const server = serverV2(stage)
    await server.connect(new StdioServerTransport())
    return async () => server.sendToolListChanged()
  }
  let server = serverV2(stage)
  serveStdio(() => (server = serverV2(stage)), { legacy: 'reject' })
  return async () => server.sendToolListChanged()
}
