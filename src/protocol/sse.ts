import { createByteBuffer, decodeUtf8 } from './bytes.ts'

/** One event of an event stream (WHATWG HTML, "Server-sent events"). */
export interface SseEvent {
  /** Its type; `message` unless the stream says otherwise. */
  readonly event: string
  /** Its data lines, joined by LF. */
  readonly data: string
  /** The last event id so far, from this event or an earlier one; undefined while there is none. */
  readonly id: string | undefined
}

/** An event is longer than the bound. The parser that throws it is of no further use. */
export class SseOverflowError extends Error {
  override readonly name = 'SseOverflowError'

  constructor(maxEventBytes: number) {
    super(`An event is longer than ${maxEventBytes} bytes`)
  }
}

/** The stream is not UTF-8; replacement characters would change what is relayed. The parser is of no further use. */
export class SseEncodingError extends Error {
  override readonly name = 'SseEncodingError'

  constructor() {
    super('The event stream is not valid UTF-8')
  }
}

/** Reads one event stream. */
export interface SseParser {
  /**
   * @throws SseOverflowError when an event is longer than the bound
   * @throws SseEncodingError when a line is not UTF-8
   */
  push(chunk: Uint8Array): void
  /** The stream has ended: an event that is not complete is dropped. */
  end(): void
  /** The reconnection time in milliseconds that the stream asked for last. */
  retry(): number | undefined
}

const LF = 0x0a
const CR = 0x0d

/**
 * An incremental event-stream parser (WHATWG HTML, "Parsing an event stream"). Lines that lie within a chunk
 * are decoded where they are; only a line that a chunk cuts off is copied.
 *
 * @param onEvent called for each event as soon as its blank line is there
 * @param maxEventBytes longest event: its lines without line breaks. Comments before do not count: they are not kept
 */
export function createSseParser(onEvent: (event: SseEvent) => void, maxEventBytes: number): SseParser {
  const fields = createFields(onEvent)
  const pending = createByteBuffer()
  let afterCr = false
  let eventBytes = 0
  let first = true

  const takeLine = (bytes: Uint8Array): void => {
    checkSize(bytes.length)
    const decoded = decodeUtf8(bytes)
    if (decoded === undefined) throw new SseEncodingError()
    const line = first && decoded.startsWith('\uFEFF') ? decoded.slice(1) : decoded
    first = false
    if (line === '') eventBytes = 0
    else if (!line.startsWith(':')) eventBytes += bytes.length
    fields.line(line)
  }

  const checkSize = (lineBytes: number): void => {
    if (eventBytes + lineBytes > maxEventBytes) throw new SseOverflowError(maxEventBytes)
  }

  return {
    push(chunk) {
      // A Buffer searches natively.
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      if (bytes.length === 0) return
      let from = afterCr && bytes[0] === LF ? 1 : 0
      afterCr = bytes[bytes.length - 1] === CR
      for (const [end, next] of lineBreaks(bytes, from)) {
        const piece = bytes.subarray(from, end)
        from = next
        if (pending.length === 0) takeLine(piece)
        else {
          pending.append(piece)
          takeLine(pending.take())
        }
      }
      const rest = bytes.subarray(from)
      checkSize(pending.length + rest.length)
      if (rest.length > 0) pending.append(rest)
    },
    end() {
      pending.take()
    },
    retry: () => fields.retry(),
  }
}

/** Where each line ends, and where the next one starts. A CR ends a line at once: an LF after it may be a long time coming. */
function* lineBreaks(bytes: Buffer, start: number): Generator<readonly [end: number, next: number]> {
  let from = start
  let cr = bytes.indexOf(CR, from)
  let lf = bytes.indexOf(LF, from)
  while (cr !== -1 || lf !== -1) {
    const end = cr === -1 || (lf !== -1 && lf < cr) ? lf : cr
    from = end + (end === cr && lf === cr + 1 ? 2 : 1)
    yield [end, from]
    if (cr !== -1 && cr < from) cr = bytes.indexOf(CR, from)
    if (lf !== -1 && lf < from) lf = bytes.indexOf(LF, from)
  }
}

interface Fields {
  line(line: string): void
  retry(): number | undefined
}

/** Puts events together from lines (WHATWG HTML, "Interpreting an event stream"). */
function createFields(onEvent: (event: SseEvent) => void): Fields {
  let type = ''
  let data: string | undefined
  let id = ''
  let retry: number | undefined

  const dispatch = (): void => {
    const event = { event: type || 'message', data, id: id || undefined }
    type = ''
    data = undefined
    if (event.data !== undefined) onEvent({ ...event, data: event.data })
  }

  return {
    line(line) {
      if (line === '') {
        dispatch()
        return
      }
      const colon = line.indexOf(':')
      const name = colon === -1 ? line : line.slice(0, colon)
      const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
      if (name === 'data') data = data === undefined ? value : `${data}\n${value}`
      else if (name === 'event') type = value
      else if (name === 'id' && !value.includes('\0')) id = value
      else if (name === 'retry' && /^\d{1,15}$/.test(value)) retry = Number(value)
    },
    retry: () => retry,
  }
}

/**
 * One event that carries a message. A text of several lines becomes several data lines, so that a reader sees
 * LF where any line break was: in JSON that means the same.
 *
 * @param text JSON of one message
 * @param id event id for resuming
 * @throws TypeError when the id holds a line break or NUL, which no reader would take for an id
 */
export function encodeSse(text: string, id?: string): string {
  const data = text.includes('\n') || text.includes('\r') ? text.split(/\r\n|\r|\n/).join('\ndata: ') : text
  if (id === undefined) return `event: message\ndata: ${data}\n\n`
  if (/[\r\n\0]/.test(id)) throw new TypeError('An event id holds no line break and no NUL')
  return `event: message\nid: ${id}\ndata: ${data}\n\n`
}

/** A comment that keeps the connection from looking idle; readers ignore it. */
export const SSE_KEEP_ALIVE = ': keep-alive\n\n'
