import { createByteBuffer, decodeUtf8 } from './bytes.ts'

/** A line is longer than the bound. The splitter that throws it has lost its place in the stream: end the stream. */
export class LineOverflowError extends Error {
  override readonly name = 'LineOverflowError'

  constructor(maxBytes: number) {
    super(`A line is longer than ${maxBytes} bytes`)
  }
}

/** Where lines go. */
export interface LineSink {
  /** One line without its line break; never empty. */
  line(text: string): void
  /** A line that was left out, and why. The lines after it are read as usual. */
  bad(reason: string): void
}

/** Splits a byte stream into lines. */
export interface LineSplitter {
  /** @throws LineOverflowError when a line is longer than the bound */
  push(chunk: Uint8Array): void
  /** The stream has ended: a last line without a line break is a line too. */
  end(): void
}

const LF = 0x0a
const CR = 0x0d

/**
 * Reads newline-delimited UTF-8, one message per line (2026-07-28, basic/transports/stdio). Blank lines are
 * skipped and CRLF counts as a line break, because programs on Windows write it without being asked.
 *
 * @param sink takes the lines as soon as they are complete
 * @param maxBytes longest line in bytes, without its LF; memory stays within a small multiple of it
 */
export function createLineSplitter(sink: LineSink, maxBytes: number): LineSplitter {
  const pending = createByteBuffer()

  const emit = (bytes: Uint8Array): void => {
    if (bytes.length > maxBytes) throw new LineOverflowError(maxBytes)
    const end = bytes[bytes.length - 1] === CR ? bytes.length - 1 : bytes.length
    if (end === 0) return
    const text = decodeUtf8(bytes.subarray(0, end))
    if (text === undefined) sink.bad('A line is not valid UTF-8')
    else sink.line(text)
  }

  /** Keeps the start of a line, unless it is too long already. */
  const keep = (bytes: Uint8Array): void => {
    if (pending.length + bytes.length > maxBytes) {
      pending.take()
      throw new LineOverflowError(maxBytes)
    }
    if (bytes.length > 0) pending.append(bytes)
  }

  return {
    push(chunk) {
      // A Buffer searches natively.
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      let from = 0
      for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, from)) {
        const piece = bytes.subarray(from, end)
        from = end + 1
        if (pending.length === 0) emit(piece)
        else {
          keep(piece)
          emit(pending.take())
        }
      }
      keep(bytes.subarray(from))
    },
    end() {
      emit(pending.take())
    },
  }
}

/**
 * One JSON text as one line, with its newline. JSON has no line breaks inside strings, so those that are there
 * stand between tokens, where a space means the same.
 */
export function toLine(json: string): string {
  return (json.includes('\n') || json.includes('\r') ? json.replaceAll(/[\r\n]/g, ' ') : json) + '\n'
}
