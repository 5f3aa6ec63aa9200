import { once } from 'node:events'
import { type Socket, connect } from 'node:net'

/** One HTTP response, read by hand so that nothing is repaired on the way. */
export interface RawResponse {
  readonly status: number
  /** By lower-case name; repeated ones are joined by a comma. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A TCP connection that speaks HTTP only as far as its user writes it. */
export interface Wire {
  readonly socket: Socket
  write(bytes: string | Uint8Array): void
  /** The next response on this connection; rejects when the connection ends before. */
  response(): Promise<RawResponse>
  /** The bytes that are there and no response has taken. */
  readonly rest: () => string
  /** Settles when the peer has closed the connection, however it did. */
  readonly closed: Promise<void>
  close(): void
}

/** Connects to a port of this machine. */
export async function openWire(port: number): Promise<Wire> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let received = Buffer.alloc(0)
  let ended = false
  let wake = Promise.withResolvers<void>()
  const stir = (): void => {
    wake.resolve()
    wake = Promise.withResolvers<void>()
  }
  const closed = Promise.withResolvers<void>()
  const finish = (): void => {
    ended = true
    closed.resolve()
    stir()
  }
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    stir()
  })
  // A reset is one of the ways to close.
  socket.on('error', finish).on('end', finish).on('close', finish)
  await once(socket, 'connect')
  return {
    socket,
    write: (bytes) => void socket.write(bytes),
    rest: () => received.toString('utf8'),
    closed: closed.promise,
    close: () => void socket.destroy(),
    async response() {
      for (;;) {
        const found = readResponse(received, ended)
        if (found !== undefined) {
          received = received.subarray(found.length)
          return found.response
        }
        if (ended) throw new Error(`The connection ended after ${JSON.stringify(received.toString('utf8'))}`)
        await wake.promise
      }
    },
  }
}

interface Parsed {
  readonly response: RawResponse
  /** Bytes that it took. */
  readonly length: number
}

function readResponse(bytes: Buffer, ended: boolean): Parsed | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  const [statusLine = '', ...lines] = bytes.subarray(0, headEnd).toString('latin1').split('\r\n')
  const headers = readHeaders(lines)
  const status = Number(statusLine.split(' ')[1])
  const from = headEnd + 4
  if (status >= 100 && status < 200) return { response: { status, headers, body: '' }, length: from }
  if (headers['transfer-encoding'] === 'chunked') {
    const chunked = readChunks(bytes, from)
    return chunked && { response: { status, headers, body: chunked.body }, length: chunked.end }
  }
  const announced = headers['content-length']
  if (announced === undefined && !ended && headers['connection'] === 'close') return undefined
  const length = announced === undefined ? (ended ? bytes.length - from : 0) : Number(announced)
  if (bytes.length < from + length) return undefined
  return {
    response: { status, headers, body: bytes.subarray(from, from + length).toString('utf8') },
    length: from + length,
  }
}

/** Headers by lower-case name. */
export function readHeaders(lines: readonly string[]): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  return headers
}

function readChunks(
  bytes: Buffer,
  start: number,
): { readonly body: string; readonly end: number } | undefined {
  const chunks: Buffer[] = []
  let at = start
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const size = Number.parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16)
    const from = lineEnd + 2
    if (bytes.length < from + size + 2) return undefined
    if (size === 0) return { body: Buffer.concat(chunks).toString('utf8'), end: from + 2 }
    chunks.push(bytes.subarray(from, from + size))
    at = from + size + 2
  }
}

/** A request as it is to stand on the wire. */
export interface RawRequest {
  readonly method?: string
  readonly path?: string
  /** Added to Host, Content-Type, Accept and Content-Length; undefined leaves one of those out. Names may repeat. */
  readonly headers?: HeaderLines
  readonly body?: string | Uint8Array
}

/** Names and values, in order. */
export type HeaderLines = Readonly<Record<string, string | readonly string[] | undefined>>

/** The bytes of a request. */
export function requestBytes(request: RawRequest): Buffer {
  const body = Buffer.from(request.body ?? '')
  const lines: HeaderLines = {
    host: '127.0.0.1',
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'content-length': String(body.length),
    ...request.headers,
  }
  const head = Object.entries(lines).flatMap(([name, values]) =>
    values === undefined ? [] : [values].flat().map((value) => `${name}: ${value}\r\n`),
  )
  const start = `${request.method ?? 'POST'} ${request.path ?? '/mcp'} HTTP/1.1\r\n`
  return Buffer.concat([Buffer.from(`${start}${head.join('')}\r\n`, 'latin1'), body])
}

/** One request on a connection of its own. */
export async function roundTrip(port: number, request: RawRequest): Promise<RawResponse> {
  const wire = await openWire(port)
  try {
    wire.write(requestBytes(request))
    return await wire.response()
  } finally {
    wire.close()
  }
}

/** The messages of an answer: one where it is JSON, the data of each event where it is an event stream. */
export function messagesOf(response: RawResponse): readonly string[] {
  if (response.headers['content-type'] !== 'text/event-stream')
    return response.body === '' ? [] : [response.body]
  return response.body.split('\n\n').flatMap((event) => {
    const data = event.split('\n').filter((line) => line.startsWith('data: ') && line !== 'data: ')
    // An event without data only gives the client something to resume from.
    return data.length === 0 ? [] : [data.map((line) => line.slice(6)).join('\n')]
  })
}
