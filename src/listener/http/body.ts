import { isUtf8 } from 'node:buffer'
import type { HttpRequest } from './exchange.ts'
import { GatewayError } from '../../errors.ts'
import type { Clock } from '../../pipeline/clock.ts'

/** Bounds of reading a body. */
export interface BodyLimits {
  /** Bytes. */
  readonly body: number
  /** Milliseconds until the last byte. */
  readonly bodyTimeout: number
}

/** What reading a body needs. */
export interface BodyPorts {
  readonly limits: BodyLimits
  readonly clock: Clock
}

/** Hears once what became of a body; must not throw. A promise would cost every request three, and it has nothing to wait for. */
export interface BodyTaker {
  take(text: string): void
  /** With BODY_TOO_LARGE, BODY_TIMEOUT, PARSE_ERROR (no UTF-8) or CANCELLED. */
  fail(error: GatewayError): void
}

/** Reads the whole body as text. */
export function readBody(request: HttpRequest, { limits, clock }: BodyPorts, taker: BodyTaker): void {
  if (isLonger(request.headers['content-length'], limits.body)) return taker.fail(tooLarge(limits.body))
  const chunks: Buffer[] = []
  let size = 0
  let done = false
  const finish = (): boolean => {
    if (done) return false
    done = true
    cancelTimer()
    return true
  }
  const fail = (error: GatewayError): void => {
    if (!finish()) return
    request.pause()
    taker.fail(error)
  }
  const cancelTimer = clock.after(limits.bodyTimeout, () =>
    fail(new GatewayError('BODY_TIMEOUT', `The body did not arrive within ${limits.bodyTimeout} ms`)),
  )
  request.on('data', (chunk: Buffer) => {
    if (done) return
    size += chunk.length
    if (size > limits.body) fail(tooLarge(limits.body))
    else chunks.push(chunk)
  })
  request.on('end', () => {
    if (!finish()) return
    const [first] = chunks
    const bytes = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)
    if (isUtf8(bytes)) taker.take(bytes.toString('utf8'))
    else taker.fail(new GatewayError('PARSE_ERROR', 'Parse error: the body is not valid UTF-8'))
  })
  request.on('close', () => {
    // Comes after every body too: an error is only made where it is one.
    if (!done) fail(new GatewayError('CANCELLED', 'The connection ended before the body did'))
  })
}

/** Whether an announced length is above a limit. Numbers with few digits, which nearly all are, need not be read. */
function isLonger(announced: string | undefined, limit: number): boolean {
  return announced !== undefined && (announced.length > 6 || limit < 1_000_000) && Number(announced) > limit
}

function tooLarge(limit: number): GatewayError {
  return new GatewayError('BODY_TOO_LARGE', `The body is larger than ${limit} bytes`, {
    headers: { connection: 'close' },
  })
}

/** What is wrong where somebody else, such as a body parser, has read the body before. The log says it, with the cause. */
export function bodyIsGone(): GatewayError {
  const message = 'the body of a request was read before the gateway got it: mount it before body parsers'
  return new GatewayError('INTERNAL', message, { cause: new Error(message) })
}
