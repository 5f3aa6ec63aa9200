import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import {
  ECHO,
  type GoodServer,
  good,
  goodResult,
  rawBackend,
  type RawBackend,
  response,
} from './support/backend.ts'
import { assertNothingLeaks } from './support/cases.ts'
import {
  META,
  type TestGateway,
  answerOf,
  modernCall,
  modernHeaders,
  modernRequest,
  startGateway,
  toolNames,
} from './support/gateway.ts'
import { type OnLine, type PipeBackend, type PipeProcess, pipeBackend } from './support/pipe.ts'
import { messagesOf, roundTrip } from './support/wire.ts'

const RESULT = '"result":{"resultType":"complete","content":[{"type":"text","text":"served"}]}'

/** Answers to a call that has this id. */
type OnCall = (id: string, process: PipeProcess) => void

function serving(server: GoodServer, onCall: OnCall): OnLine {
  return (line, process) => {
    const { id, method } = JSON.parse(line) as { readonly id?: number; readonly method?: string }
    if (id === undefined || method === undefined) return
    if (method === 'tools/call') return onCall(String(id), process)
    const result = goodResult(server, method)
    const members =
      result === undefined ? '"error":{"code":-32601,"message":"Method not found"}' : `"result":${result}`
    process.write(`${response(String(id), members)}\n`)
  }
}
const wellBehaved: OnCall = (id, process) => process.write(`${response(id, RESULT)}\n`)

for (const era of ['modern', 'legacy'] as const) {
  const server: GoodServer = { era, tools: ECHO }

  describe(`a ${era} process`, () => {
    let bad: PipeBackend | undefined
    let other: RawBackend | undefined
    let gateway: TestGateway | undefined
    before(async () => {
      bad = await pipeBackend(serving(server, wellBehaved))
      other = await rawBackend(good({ era: 'modern', tools: ECHO }))
      gateway = await startGateway({
        backends: { bad: { ...bad.config, timeout: '400ms', era, circuitBreaker: false }, good: other.url },
        gateway: { limits: { reply: '64KiB', queue: 16 } },
      })
    })
    after(async () => {
      await gateway?.close()
      await bad?.close()
      await other?.stop()
    })
    const port = (): number => gateway?.port ?? assert.fail('not started')
    const behave = (onCall: OnCall): void => bad?.behave(serving(server, onCall))
    const call = (): ReturnType<typeof roundTrip> => roundTrip(port(), modernCall('bad_echo'))
    const othersAreServed = async (): Promise<void> => {
      const [served, list] = await Promise.all([
        roundTrip(port(), modernCall('good_echo')),
        roundTrip(port(), modernRequest('tools/list')),
      ])
      assert.match(served.body, /"served"/)
      assert.ok(toolNames(answerOf(list)).includes('good_echo'))
    }
    /** Calls until a process is there again: after an end, the next one has to wait. */
    const recovered = async (): Promise<void> => {
      behave(wellBehaved)
      while (!(await call()).body.includes('"served"'))
        await new Promise((resolve) => setTimeout(resolve, 10))
      assert.deepEqual(
        gateway?.gateway.report().map(({ condition }) => condition.state),
        ['up', 'up'],
      )
    }
    beforeEach(recovered)

    const fails: readonly {
      readonly title: string
      readonly onCall: OnCall
      readonly status: number
      readonly code: string
      readonly message: RegExp
    }[] = [
      {
        title: 'never answers',
        onCall: () => undefined,
        status: 504,
        code: 'BACKEND_TIMEOUT',
        message: /did not answer within 400 ms/,
      },
      {
        title: 'answers with another id',
        onCall: (id, { write }) => write(`${response(`"${id}"`, RESULT)}\n`),
        status: 504,
        code: 'BACKEND_TIMEOUT',
        message: /did not answer within/,
      },
      {
        title: 'answers with invalid JSON',
        onCall: (id, { write }) => write(`${response(id, RESULT).slice(1)}\n`),
        status: 504,
        code: 'BACKEND_TIMEOUT',
        message: /did not answer within/,
      },
      {
        title: 'answers with half a line',
        onCall: (id, { write }) => write(response(id, RESULT)),
        status: 504,
        code: 'BACKEND_TIMEOUT',
        message: /did not answer within/,
      },
      {
        title: 'answers with a result that is a number',
        onCall: (id, { write }) => write(`${response(id, '"result":5')}\n`),
        status: 502,
        code: 'BACKEND_PROTOCOL',
        message: /"result" must be an object/,
      },
      {
        title: 'answers with result and error',
        onCall: (id, { write }) => write(`${response(id, `${RESULT},"error":{"code":1,"message":"x"}`)}\n`),
        status: 502,
        code: 'BACKEND_PROTOCOL',
        message: /both "result" and "error"/,
      },
      {
        title: 'writes a line without end',
        onCall: (_id, { write }) => write('x'.repeat(70_000)),
        status: 502,
        code: 'BACKEND_PROTOCOL',
        message: /a line of more than 65536 bytes/,
      },
      {
        title: 'exits',
        onCall: (_id, { exit }) => exit(),
        status: 502,
        code: 'BACKEND_UNAVAILABLE',
        message: /exited with code [01]/,
      },
      {
        title: 'exits in its answer',
        onCall: (id, { socket }) => void socket.end(response(id, RESULT).slice(0, 30)),
        status: 502,
        code: 'BACKEND_UNAVAILABLE',
        message: /exited with code [01]/,
      },
    ]
    for (const { title, onCall, status, code, message } of fails) {
      test(`that ${title}`, async () => {
        behave(onCall)
        const [answer] = await Promise.all([call(), othersAreServed()])
        const { error } = answerOf(answer)
        assert.deepEqual(
          [answer.status, error?.data?.['code'], error?.data?.['backend'], error?.data?.['retryable']],
          [status, code, 'bad', false],
          answer.body,
        )
        assert.match(error?.message ?? '', message)
        assertNothingLeaks(answer.body)
        await recovered()
        const list = answerOf(await roundTrip(port(), modernRequest('tools/list')))
        assert.deepEqual(toolNames(list), ['bad_echo', 'good_echo'])
      })
    }

    const survives: readonly (readonly [title: string, onCall: OnCall])[] = [
      [
        'greets with garbage',
        (id, { write }) =>
          write(
            Buffer.concat([
              Buffer.from('Listening \u001B[31mnow\n\n5\n[]\n{"a":\n'),
              Buffer.from([0xff, 0xfe, 0x0a]),
              Buffer.from(`${response(id, RESULT)}\n`),
            ]),
          ),
      ],
      [
        'answers in single bytes',
        (id, { write }) => [...`${response(id, RESULT)}\n`].forEach((letter) => write(letter)),
      ],
      ['ends its lines as Windows does', (id, { write }) => write(`${response(id, RESULT)}\r\n`)],
      [
        'answers twice',
        (id, { write }) => write(`${response(id, RESULT)}\n${response(id, '"result":{"second":true}')}\n`),
      ],
      [
        'answers what nobody asked',
        (id, { write }) =>
          write(`${response('99999', '"result":{"second":true}')}\n${response(id, RESULT)}\n`),
      ],
      [
        'asks for what nobody offered',
        (id, { write }) =>
          write(
            `{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}\n${response(id, RESULT)}\n`,
          ),
      ],
    ]
    for (const [title, onCall] of survives) {
      test(`that ${title} is understood all the same`, async () => {
        behave(onCall)
        const starts = bad?.starts
        const [answer] = await Promise.all([call(), othersAreServed()])
        assert.match(answer.body, /"served"/)
        assert.doesNotMatch(answer.body, /second|sampling/)
        assert.match((await call()).body, /"served"/)
        assert.equal(bad?.starts, starts, 'by the same process')
      })
    }

    test('that floods its pipe is held up, and nobody else is', async () => {
      behave((id, process) => {
        const foreign =
          '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"nobody","progress":1}}\n'
        const own = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${id},"progress":1}}\n`
        process.write(foreign.repeat(20_000) + own + `${response(id, RESULT)}\n`)
      })
      const [answer] = await Promise.all([
        roundTrip(port(), {
          headers: modernHeaders('tools/call', 'bad_echo'),
          body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bad_echo","_meta":${META.replace('{', '{"progressToken":"mine",')}}}`,
        }),
        othersAreServed(),
      ])
      assert.deepEqual(
        messagesOf(answer).map((message) =>
          message.includes('"mine"') ? 'progress' : /"served"/.exec(message)?.[0],
        ),
        ['progress', '"served"'],
      )
    })
  })
}

describe('processes that cannot be started', () => {
  const commands: readonly (readonly [title: string, settings: object, reason: RegExp])[] = [
    ['a command that does not exist', { command: 'toolgate-no-such-command' }, /command not found/],
    [
      'a folder that does not exist',
      { command: process.execPath, cwd: 'no-such-folder' },
      /working directory not found/,
    ],
    [
      'a process that exits at once',
      { command: process.execPath, args: ['-e', 'console.error("no key given"); process.exit(3)'] },
      /exited with code 3/,
    ],
  ]
  for (const [title, settings, reason] of commands) {
    test(`${title}: the backend is named with its reason, the others are served`, async () => {
      const other = await rawBackend(good({ era: 'modern', tools: ECHO }))
      const gateway = await startGateway({ backends: { bad: settings, good: other.url } })
      const list = answerOf(await roundTrip(gateway.port, modernRequest('tools/list')))
      assert.deepEqual(toolNames(list), ['good_echo'])
      assert.match(JSON.stringify(list.result?.['_meta']), reason)
      const call = await roundTrip(gateway.port, modernCall('bad_echo'))
      assert.equal(call.status, 502)
      assert.equal(answerOf(call).error?.data?.['code'], 'BACKEND_UNAVAILABLE')
      assert.match((await roundTrip(gateway.port, modernCall('good_echo'))).body, /"served"/)
      await gateway.close()
      await other.stop()
    })
  }
})
