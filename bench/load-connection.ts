import { connect, type Socket } from 'node:net'
import { CALL_HEADERS, callBody, FIRST_ID } from './message.ts'

/** One complete HTTP response. */
export interface Response {
  readonly status: number
  readonly body: Buffer
  /** Bytes of the buffer that the response took. */
  readonly length: number
}

const HEAD_END = '\r\n\r\n'

/** Decodes a chunked body (RFC 9112 §7.1) that starts at an offset; `undefined` while it is not complete. */
const decodeChunked = (
  bytes: Buffer,
  from: number,
): { readonly body: Buffer; readonly end: number } | undefined => {
  const chunks: Buffer[] = []
  let offset = from
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', offset)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', offset, lineEnd), 16)
    if (Number.isNaN(size)) throw new Error('malformed chunk')
    if (size === 0) {
      // The last chunk's line, any trailers, and an empty line.
      const end = bytes.indexOf(HEAD_END, lineEnd)
      return end < 0 ? undefined : { body: Buffer.concat(chunks), end: end + HEAD_END.length }
    }
    const start = lineEnd + 2
    if (bytes.length < start + size + 2) return undefined
    chunks.push(bytes.subarray(start, start + size))
    offset = start + size + 2
  }
}

/**
 * Parses one HTTP/1.1 response from the beginning of a buffer: only what a proxy's answer to a POST may look like.
 *
 * @returns `undefined` while the response is not complete
 * @throws Error if the response has neither a length nor chunks, or is malformed
 */
export const parseResponse = (bytes: Buffer): Response | undefined => {
  const headEnd = bytes.indexOf(HEAD_END)
  if (headEnd < 0) return undefined
  const head = bytes.toString('latin1', 0, headEnd)
  const status = Number(head.slice(9, 12))
  const bodyStart = headEnd + HEAD_END.length
  const contentLength = /\r\ncontent-length:[ \t]*(\d+)/i.exec(head)?.[1]
  if (contentLength !== undefined) {
    const end = bodyStart + Number(contentLength)
    return bytes.length < end ? undefined : { status, body: bytes.subarray(bodyStart, end), length: end }
  }
  if (!/\r\ntransfer-encoding:[ \t]*chunked/i.test(head))
    throw new Error(`a response without a length: ${head}`)
  const chunked = decodeChunked(bytes, bodyStart)
  return chunked && { status, body: chunked.body, length: chunked.end }
}

/** Where calls go, and what each carries beside its own headers. */
export interface Destination {
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** The bytes of the call as an HTTP/1.1 request, and a way to set its id in place. */
export const createRequest = ({
  url,
  headers: own = {},
}: Destination): { readonly bytes: Buffer; readonly setId: (id: number) => void } => {
  const body = callBody(FIRST_ID)
  const headers = {
    Host: url.host,
    ...CALL_HEADERS,
    ...own,
    'Content-Length': String(Buffer.byteLength(body)),
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const bytes = Buffer.from(`POST ${url.pathname} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
  const idAt = bytes.indexOf(`"id":${FIRST_ID}`) + '"id":'.length
  return { bytes, setId: (id) => void bytes.write(String(id), idAt, 'latin1') }
}

/** What a connection reports, and where it gets its next id. */
export interface ConnectionEvents {
  /** The id of the next call, or `undefined` to end the connection. */
  readonly nextId: () => number | undefined
  /** Calls `go` when the next call may leave, with the time from which its latency counts. Default: at once. */
  readonly turn?: (go: (from: number) => void) => void
  readonly onReply: (id: number, response: Response, latencyMs: number) => void
  readonly onError: (problem: string) => void
  readonly onClosed: () => void
}

/**
 * One keep-alive connection: the next call goes out when the reply to the last one is complete and it is its turn. It
 * is written on a raw socket because a full HTTP client costs more than the proxies that it is to saturate.
 */
export const runConnection = (to: Destination, events: ConnectionEvents): Socket => {
  const { url } = to
  const request = createRequest(to)
  const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true })
  let pending: Buffer | undefined
  let id: number | undefined
  let sentAt = 0

  const send = (from: number): void => {
    id = events.nextId()
    if (id === undefined) return void socket.end()
    request.setId(id)
    sentAt = from
    socket.write(request.bytes)
  }

  const sendNext = (): void => {
    id = undefined
    if (events.turn === undefined) send(performance.now())
    else events.turn(send)
  }

  const receive = (chunk: Buffer): void => {
    const bytes = pending === undefined ? chunk : Buffer.concat([pending, chunk])
    const response = parseResponse(bytes)
    pending = response === undefined ? bytes : undefined
    if (response === undefined || id === undefined) return
    if (bytes.length > response.length) throw new Error('more bytes than one response')
    events.onReply(id, response, performance.now() - sentAt)
    sendNext()
  }

  socket.on('connect', sendNext)
  socket.on('data', (chunk: Buffer) => {
    try {
      receive(chunk)
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  })
  socket.on('error', (error) => events.onError(error.message))
  socket.on('close', (hadError) => {
    if (!hadError && id !== undefined) events.onError('the connection was closed during a call')
    events.onClosed()
  })
  return socket
}
