import type { Signal } from '../../pipeline/signal.ts'
import { GatewayError } from '../../errors.ts'
import type { Outcome, Refusal } from '../../filters/rescue.ts'
import type { Notifications } from '../../pipeline/call.ts'
import type { Clock } from '../../pipeline/clock.ts'
import type { TraceHeaders } from '../../pipeline/trace.ts'
import { editMembers } from '../../protocol/edit.ts'
import { rawOf } from '../../protocol/json.ts'
import { type RequestMessage, edited } from '../../protocol/message.ts'
import type { ClientCapabilities } from './capabilities.ts'
import { type ClientRequests, pause } from './client-requests.ts'
import { type InputRequest, type InputRequired, clientParams, readInputRequired } from './input-requests.ts'

/** Where the messages of one call go. */
export interface Outlet extends Notifications {
  /** Sends a message of the gateway's own on the stream of the call; undefined where the client takes no stream. */
  readonly write?: ((text: string) => void) | undefined
  /** Told of a refusal before its text is there, so that HTTP can say it too; undefined where there is no HTTP. */
  readonly onRefusal?: ((refusal: Refusal) => void) | undefined
  /** What the HTTP request of the call says of its trace. */
  readonly trace?: TraceHeaders | undefined
}

/** What the rounds of one call need. */
export interface RoundPorts extends AskingPorts {
  /** Sends the request in the modern form. */
  readonly send: (message: RequestMessage) => Promise<Outcome>
}

/** What putting questions to the client needs. */
export interface AskingPorts {
  readonly requests: ClientRequests
  readonly capabilities: ClientCapabilities
  readonly version: string
  /** Whether the client sees several backends as one server. */
  readonly aggregate: boolean
  readonly clock: Clock
  /** Milliseconds that people get for the answers of one round. */
  readonly parkTime: number
  readonly signal: Signal
  /** The task that asks, if one does. */
  readonly taskId?: string | undefined
}

/** The input that a call needs cannot be had: the call fails, and this is what its caller is told. */
export class InputFailure extends Error {
  override readonly name = 'InputFailure'
  /** Raw JSON of the error with which the client itself refused; undefined where it did not. */
  readonly clientError: string | undefined

  constructor(message: string, clientError?: string) {
    super(message)
    this.clientError = clientError
  }
}

/** Rounds of input that one call may take. */
const MAX_ROUNDS = 8
/** Milliseconds before a call is sent again that got a `requestState` and no question: its server sheds load. */
const PACE = 250
/** 2026-07-28, basic/patterns/mrtr "Supported Requests". */
const INTERACTIVE: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])

/**
 * Carries out a request of a legacy client: what the modern form asks for by `input_required` results becomes
 * requests to the client, and their answers go back with the call sent once more (2026-07-28, basic/patterns/mrtr).
 *
 * @throws InputFailure, or GatewayError BACKEND_PROTOCOL, or the reason of the signal
 */
export async function withInput(message: RequestMessage, ports: RoundPorts, out: Outlet): Promise<Outcome> {
  let next = message
  for (let round = 0; ; round++) {
    const outcome = await ports.send(next)
    const asked = outcome.kind === 'result' ? readInputRequired(outcome) : undefined
    if (asked === undefined) return outcome
    check(message, asked, round)
    if (asked.requests.length === 0) await pause(ports.clock, PACE, ports.signal)
    const answers = asked.requests.length === 0 ? undefined : await answersTo(asked.requests, ports, out)
    next = retryOf(message, answers, asked.state)
  }
}

function check(message: RequestMessage, asked: InputRequired, round: number): void {
  if (!INTERACTIVE.has(message.method))
    throw new GatewayError('BACKEND_PROTOCOL', `${message.method} cannot be answered with input_required`)
  if (asked.requests.length === 0 && asked.state === undefined)
    throw new GatewayError('BACKEND_PROTOCOL', 'An input_required result asks for nothing and has no state')
  if (round >= MAX_ROUNDS) throw new InputFailure(`No result after ${MAX_ROUNDS} rounds of input`)
}

/** The original request with the answers; whatever the client itself wrote there is not its business. */
function retryOf(
  message: RequestMessage,
  answers: string | undefined,
  state: string | undefined,
): RequestMessage {
  const changes = { inputResponses: answers, requestState: state }
  if (message.params !== undefined) return edited(message, editMembers(message.params, changes))
  const members = Object.entries(changes).flatMap(([key, value]) =>
    value === undefined ? [] : [`"${key}":${value}`],
  )
  return edited(message, editMembers(message.root, { params: `{${members.join(',')}}` }))
}

/**
 * Asks everything at once and yields the raw `inputResponses`. When one answer cannot be had, the other questions are
 * taken back.
 *
 * @throws InputFailure, or the reason of the signal
 */
export async function answersTo(
  requests: readonly InputRequest[],
  ports: AskingPorts,
  out: Outlet,
): Promise<string> {
  const { write } = out
  for (const request of requests) checkDeclared(request, ports)
  if (write === undefined)
    throw new InputFailure('The call needs input, but the client accepts no event stream to be asked on')
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(ports.signal.reason)
  ports.signal.addEventListener('abort', onAbort)
  if (ports.signal.aborted) onAbort()
  const cancelTimer = ports.clock.after(ports.parkTime, () =>
    controller.abort(new InputFailure(`The client gave no answer within ${ports.parkTime} ms`)),
  )
  try {
    const asking = { ...ports, write, signal: controller.signal }
    const answers = await Promise.all(requests.map(async (request) => answerTo(request, asking)))
    return `{${answers.join(',')}}`
  } catch (error) {
    controller.abort(error)
    throw error
  } finally {
    cancelTimer()
    ports.signal.removeEventListener('abort', onAbort)
  }
}

function checkDeclared(request: InputRequest, ports: AskingPorts): void {
  const { kind } = request
  if (kind !== undefined && ports.capabilities.accepts.has(kind)) return
  const what = kind === 'form' || kind === 'url' ? `elicitation (${kind})` : (kind ?? 'such a request')
  throw new InputFailure(`The call needs ${what}, which the client did not declare`)
}

interface Asking extends AskingPorts {
  readonly write: (text: string) => void
}

/** The answer as a member of `inputResponses`, to the letter. */
async function answerTo(request: InputRequest, ports: Asking): Promise<string> {
  const { method, kind, key } = request
  const params = clientParams(request, ports)
  const reply = await ports.requests.ask({ method, params, write: ports.write, signal: ports.signal })
  if (reply.kind === 'result') return `${key}:${rawOf(reply.text, reply.result)}`
  // `inputResponses` has no place for errors. For elicitation there is an answer that says as much.
  if (kind === 'form' || kind === 'url') return `${key}:{"action":"cancel"}`
  throw new InputFailure(`The client refused ${method}: ${reply.message}`, rawOf(reply.text, reply.error))
}
