/** Bytes of a line that has not ended yet: they are copied, so that a reader may reuse its chunks. */
export interface ByteBuffer {
  /** How many bytes are held. */
  readonly length: number
  append(bytes: Uint8Array): void
  /** What is held, and forgets it. The view is good until the next `append`. */
  take(): Uint8Array
}

const SMALLEST = 1024
/** A buffer that grew beyond this is given back once it is taken, so that one big message does not cost memory forever. */
const KEPT = 65_536
const NOTHING: Uint8Array = new Uint8Array(0)

/** A growing buffer: appending costs amortised constant time per byte, however small the chunks are. */
export function createByteBuffer(): ByteBuffer {
  let buffer = NOTHING
  let length = 0
  return {
    get length() {
      return length
    },
    append(bytes) {
      const needed = length + bytes.length
      if (needed > buffer.length) {
        const grown = new Uint8Array(Math.max(needed, buffer.length * 2, SMALLEST))
        grown.set(buffer.subarray(0, length))
        buffer = grown
      }
      buffer.set(bytes, length)
      length = needed
    },
    take() {
      const taken = buffer.subarray(0, length)
      if (buffer.length > KEPT) buffer = NOTHING
      length = 0
      return taken
    },
  }
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text of these bytes to the letter (a byte order mark stays), or undefined when they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}
