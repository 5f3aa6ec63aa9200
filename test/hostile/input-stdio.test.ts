import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { type Behaviour, ECHO, type RawBackend, except, good, rawBackend } from './support/backend.ts'
import { META, type RpcAnswer, type TestGateway, startGateway } from './support/gateway.ts'

const MODERN = { era: 'modern', tools: ECHO } as const
const LIMIT = 64 * 1024

/** A client on the pipe of a gateway. */
interface PipeClient {
  write(bytes: string | Uint8Array): void
  /** The next line that the gateway writes. */
  line(): Promise<string>
  /** Closes the client's end and waits for the gateway's. */
  end(): Promise<void>
  readonly done: Promise<void>
}

function pipeClient({ gateway }: TestGateway): PipeClient {
  const input = new PassThrough()
  const output = new PassThrough()
  const lines: string[] = []
  const waiting: ((line: string) => void)[] = []
  let rest = ''
  output.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      const next = waiting.shift()
      if (next === undefined) lines.push(part)
      else next(part)
    }
  })
  const listener = gateway.serveStdio(input, output)
  return {
    write: (bytes) => void input.write(bytes),
    line: () => {
      const line = lines.shift()
      return line === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(line)
    },
    async end() {
      input.end()
      await listener.done
    },
    done: listener.done,
  }
}

const call = (id: string, tool = 'good_echo'): string =>
  `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"${tool}","_meta":${META}}}\n`

describe('a client on a pipe', () => {
  let backend: RawBackend | undefined
  let gateway: TestGateway | undefined
  before(async () => {
    backend = await rawBackend(good(MODERN))
    gateway = await startGateway({ backends: { good: backend.url }, gateway: { limits: { body: '64KiB' } } })
  })
  after(async () => {
    await gateway?.close()
    await backend?.stop()
  })
  const client = (): PipeClient => pipeClient(gateway ?? assert.fail('not started'))
  const behave = (behaviour: Behaviour): void => backend?.behave(behaviour)

  const refused: readonly {
    readonly title: string
    readonly line: string | Uint8Array
    readonly rpc: number
    readonly id?: unknown
    readonly code: string
  }[] = [
    { title: 'garbage', line: 'hello\n', rpc: -32700, code: 'PARSE_ERROR' },
    { title: 'a truncated message', line: call('1').replace('}\n', '\n'), rpc: -32700, code: 'PARSE_ERROR' },
    {
      title: 'invalid UTF-8',
      line: Buffer.from([0x22, 0xc3, 0x28, 0x22, 0x0a]),
      rpc: -32700,
      code: 'PARSE_ERROR',
    },
    {
      title: 'duplicate members',
      line: '{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}\n',
      rpc: -32700,
      code: 'PARSE_ERROR',
    },
    {
      title: 'too deep nesting',
      line: `${'['.repeat(1000)}${']'.repeat(1000)}\n`,
      rpc: -32700,
      code: 'PARSE_ERROR',
    },
    { title: 'a batch', line: `[${call('1').trim()}]\n`, rpc: -32600, code: 'INVALID_REQUEST' },
    { title: 'a number', line: '5\n', rpc: -32600, code: 'INVALID_REQUEST' },
    {
      title: 'id null',
      line: '{"jsonrpc":"2.0","id":null,"method":"x"}\n',
      rpc: -32600,
      code: 'INVALID_REQUEST',
    },
    { title: 'no jsonrpc', line: '{"id":4,"method":"x"}\n', rpc: -32600, id: 4, code: 'INVALID_REQUEST' },
    {
      title: 'params that are an array',
      line: '{"jsonrpc":"2.0","id":4,"method":"x","params":[]}\n',
      rpc: -32600,
      id: 4,
      code: 'INVALID_REQUEST',
    },
    {
      title: 'an unknown method',
      line: `{"jsonrpc":"2.0","id":4,"method":"x","params":{"_meta":${META}}}\n`,
      rpc: -32601,
      id: 4,
      code: 'METHOD_NOT_FOUND',
    },
    {
      title: 'initialize with a modern claim',
      line: `{"jsonrpc":"2.0","id":4,"method":"initialize","params":{"_meta":${META}}}\n`,
      rpc: -32601,
      id: 4,
      code: 'METHOD_NOT_FOUND',
    },
    { title: 'an unknown tool', line: call('4', 'nobody'), rpc: -32602, id: 4, code: 'UNKNOWN_TOOL' },
    {
      title: 'no clientCapabilities',
      line: '{"jsonrpc":"2.0","id":4,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}\n',
      rpc: -32602,
      id: 4,
      code: 'INVALID_PARAMS',
    },
    {
      title: 'an unsupported version',
      line: call('4').replace('2026-07-28', '2099-01-01'),
      rpc: -32022,
      id: 4,
      code: 'UNSUPPORTED_VERSION',
    },
    {
      title: 'a legacy request before initialize',
      line: '{"jsonrpc":"2.0","id":4,"method":"tools/list"}\n',
      rpc: -32600,
      id: 4,
      code: 'SESSION_REQUIRED',
    },
  ]
  for (const { title, line, rpc, id, code } of refused) {
    test(`${title} is refused, and the next line is served`, async () => {
      const pipe = client()
      pipe.write(line)
      const { error, id: answered } = JSON.parse(await pipe.line()) as RpcAnswer
      assert.deepEqual({ rpc: error?.code, id: answered, code: error?.data?.['code'] }, { rpc, id, code })
      pipe.write(call('"next"'))
      assert.match(await pipe.line(), /"id":"next".*"served"/)
      await pipe.end()
    })
  }

  test('lines that mean nothing are passed over', async () => {
    const pipe = client()
    pipe.write('\n\r\n')
    pipe.write('{"jsonrpc":"2.0","id":1,"result":{}}\n')
    pipe.write('{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}\n')
    pipe.write('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}\n')
    pipe.write('{"jsonrpc":"2.0","method":"notifications/cancelled"}\n')
    pipe.write(call('1').replace('\n', '\r\n'))
    assert.match(await pipe.line(), /"id":1,.*"served"/)
    await pipe.end()
  })

  test('a message in single bytes, and two in one', async () => {
    const pipe = client()
    for (const byte of Buffer.from(call('1'))) pipe.write(Uint8Array.of(byte))
    assert.match(await pipe.line(), /"id":1,/)
    pipe.write(call('2') + call('3'))
    const answers = [await pipe.line(), await pipe.line()].join('\n')
    assert.match(answers, /"id":2,/)
    assert.match(answers, /"id":3,/)
    await pipe.end()
  })

  test('an id in use is refused, and the first request is answered', async () => {
    const go = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    behave(
      except(
        'tools/call',
        (received, reply) => {
          asked.resolve()
          void go.promise.then(() => good(MODERN)(received, reply))
        },
        MODERN,
      ),
    )
    const pipe = client()
    pipe.write(call('1'))
    await asked.promise
    pipe.write(call('1'))
    assert.match(await pipe.line(), /"id":1,"error":\{"code":-32600.*in flight already/)
    go.resolve()
    assert.match(await pipe.line(), /"id":1,.*"served"/)
    behave(good(MODERN))
    await pipe.end()
  })

  test('a cancelled request is not answered, and its backend is told', async () => {
    const asked = Promise.withResolvers<void>()
    const told = Promise.withResolvers<void>()
    behave(
      except(
        'tools/call',
        (_received, reply) => {
          reply.socket.on('close', () => told.resolve())
          asked.resolve()
        },
        MODERN,
      ),
    )
    const pipe = client()
    pipe.write(call('1'))
    await asked.promise
    pipe.write('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}\n')
    await told.promise
    behave(good(MODERN))
    pipe.write(call('2'))
    assert.match(await pipe.line(), /"id":2,.*"served"/)
    await pipe.end()
  })

  test('a line that is too long is refused, and ends the pipe because its end cannot be found', async () => {
    const pipe = client()
    pipe.write('x'.repeat(LIMIT + 1))
    const { error } = JSON.parse(await pipe.line()) as RpcAnswer
    assert.deepEqual([error?.code, error?.data?.['code']], [-31013, 'BODY_TOO_LARGE'])
    await pipe.done
  })

  test('an end in the middle of a line', async () => {
    const pipe = client()
    pipe.write(call('1').slice(0, -5))
    const ended = pipe.end()
    assert.match(await pipe.line(), /"code":-32700/)
    await ended
  })
})
