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

/**
 * Reads the whole body as text.
 *
 * @throws GatewayError BODY_TOO_LARGE, BODY_TIMEOUT, PARSE_ERROR (no UTF-8) or CANCELLED
 */
export function readBody(request: HttpRequest, limits: BodyLimits, clock: Clock): Promise<string> {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > limits.body) return Promise.reject(tooLarge(limits.body))
  return new Promise((resolve, reject) => collect(request, { limits, clock }, { resolve, reject }))
}

/** What becomes of a body. */
interface Settle {
  readonly resolve: (text: string) => void
  readonly reject: (error: GatewayError) => void
}

function collect(
  request: HttpRequest,
  { limits, clock }: { readonly limits: BodyLimits; readonly clock: Clock },
  { resolve, reject }: Settle,
): void {
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
    reject(error)
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
    if (isUtf8(bytes)) resolve(bytes.toString('utf8'))
    else reject(new GatewayError('PARSE_ERROR', 'Parse error: the body is not valid UTF-8'))
  })
  request.on('close', () => {
    // Comes after every body too: an error is only made where it is one.
    if (!done) fail(new GatewayError('CANCELLED', 'The connection ended before the body did'))
  })
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
