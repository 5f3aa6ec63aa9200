/** The UTF-16 units of a text, and a zero after them. */
export type Units = Uint8Array | Uint16Array

/** Where the units of a text are put, one text after another; one that is longer gets room of its own. */
const SCRATCH = Buffer.alloc(64 * 1024)
const WIDE_SCRATCH = new Uint16Array(SCRATCH.buffer, SCRATCH.byteOffset, SCRATCH.length / 2)

/** What is there while there is no text. */
export const NO_UNITS: Units = SCRATCH

/**
 * The units of a text as numbers: reading them costs a fraction of asking the string for each. They are good until the
 * next text is asked for.
 */
export function unitsOf(text: string): Units {
  const { length } = text
  // Encoded, a unit takes one byte where it is ASCII, and two or three where it is not.
  if (3 * length < SCRATCH.length) {
    if (SCRATCH.write(text, 0, 'utf8') !== length) return wideUnitsOf(text)
    SCRATCH[length] = 0
    return SCRATCH
  }
  if (Buffer.byteLength(text) !== length) return wideUnitsOf(text)
  const bytes = length < SCRATCH.length ? SCRATCH : Buffer.allocUnsafe(length + 1)
  bytes.write(text, 0, length, 'latin1')
  bytes[length] = 0
  return bytes
}

function wideUnitsOf(text: string): Units {
  const { length } = text
  const isLong = length >= WIDE_SCRATCH.length
  const wide = isLong ? new Uint16Array(length + 1) : WIDE_SCRATCH
  const bytes = isLong ? Buffer.from(wide.buffer) : SCRATCH
  bytes.write(text, 0, length * 2, 'utf16le')
  wide[length] = 0
  return wide
}
