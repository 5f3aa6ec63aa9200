/**
 * A modern server on its standard streams, with one tool, `work`, that fails as its first argument says. Every
 * execution is written to the file of the second argument before anything else becomes of it.
 */
import { appendFileSync, existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { goodResult, response } from '../hostile/support/backend.ts'

/** How calls of the tool fail. */
export type StdioFault = 'hangs' | 'dies' | 'answers garbage' | 'slow first byte' | 'slow trickle'

const SERVER = { era: 'modern', tools: '{"name":"work","inputSchema":{"type":"object"}}' } as const
const [fault = '', journal = ''] = process.argv.slice(2)
const write = (text: string): void => void process.stdout.write(text)
const answer = (id: string): void =>
  write(`${response(id, `"result":${goodResult(SERVER, 'tools/call')}`)}\n`)

const faults: Readonly<Record<StdioFault, (id: string) => void>> = {
  hangs: () => undefined,
  dies: () => process.kill(process.pid, 'SIGKILL'),
  'answers garbage': (id) => write(`{"jsonrpc":"2.0","id":${id},"result":5}\n`),
  'slow first byte': (id) => void setTimeout(() => answer(id), 800),
  // A line that never ends.
  'slow trickle': () => void setInterval(() => write(' '), 20),
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, method } = JSON.parse(line) as { readonly id?: number | string; readonly method: string }
    if (id === undefined) return appendFileSync(journal, `${method}\n`)
    const raw = JSON.stringify(id)
    const result = goodResult(SERVER, method)
    if (method === 'tools/call') {
      appendFileSync(journal, 'executed\n')
      // Well again once the file says so, so that a test sees that it recovers.
      if (existsSync(`${journal}.well`)) answer(raw)
      else faults[fault as StdioFault](raw)
    } else if (result === undefined) write(`${response(raw, '"error":{"code":-32601,"message":"no"}')}\n`)
    else write(`${response(raw, `"result":${result}`)}\n`)
  })
  .on('close', () => process.exit())
