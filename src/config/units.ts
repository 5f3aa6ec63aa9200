/**
 * A text read as a value, or what was expected instead. `hint` is a suggestion that may hold what was found; `words` are
 * the texts that would have been right.
 */
export type Parsed<T> =
  | { readonly value: T }
  | { readonly expected: string; readonly hint?: string; readonly words?: readonly string[] }

const DURATION = /^(\d{1,10})(ms|s|m|h)$/
const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** What a timer of the runtime can wait for at most: 2³¹ − 1 milliseconds, 24.8 days. */
const LONGEST = 2 ** 31 - 1

const EXPECTED_DURATION = 'expected a duration with its unit, such as 30s, 500ms, 2m or 1h'

/** Reads a duration such as `30s`, `500ms`, `2m` or `1h` as milliseconds. A bare number is refused: it can mean two things. */
export function parseDuration(found: unknown, least = 0): Parsed<number> {
  const [, digits, unit] = (typeof found === 'string' && DURATION.exec(found)) || []
  if (digits === undefined || unit === undefined) {
    const bare = bareNumber(found)
    return {
      expected: EXPECTED_DURATION,
      ...(bare === undefined ? {} : { hint: `${bare}s or ${bare}ms` }),
    }
  }
  const value = Number(digits) * (MILLISECONDS[unit] ?? 1)
  if (value < least) return { expected: `expected a duration of at least ${least}ms` }
  return value > LONGEST ? { expected: 'expected a duration of at most 24 days' } : { value }
}

const SIZE = /^(\d{1,10})(B|kB|KB|MB|GB|KiB|MiB|GiB)$/
const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
}

/** The longest text of the runtime is a little below 512 MiB, so nothing larger could be handled. */
const LARGEST = 256 * 1024 ** 2

/** Reads a size such as `4MiB`, `512KiB` or `1MB` as bytes. A bare number is refused: it can mean two things. */
export function parseSize(found: unknown): Parsed<number> {
  const [, digits, unit] = (typeof found === 'string' && SIZE.exec(found)) || []
  if (digits === undefined || unit === undefined) {
    const bare = bareNumber(found)
    return {
      expected: 'expected a size with its unit, such as 4MiB, 512KiB or 1MB',
      ...(bare === undefined ? {} : { hint: `${bare}B or ${bare}MiB` }),
    }
  }
  const value = Number(digits) * (BYTES[unit] ?? 1)
  if (value < 1) return { expected: 'expected a size of at least 1B' }
  return value > LARGEST ? { expected: 'expected a size of at most 256MiB' } : { value }
}

/** Reads a whole number, also as text: a number that comes from the environment is one. */
export function parseCount(found: unknown, least: number, most: number): Parsed<number> {
  const value = typeof found === 'string' && /^\d{1,10}$/.test(found) ? Number(found) : found
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most)
    return { value }
  return { expected: `expected a whole number from ${least} to ${most}` }
}

/** Reads a share such as `50%` as a part of 1. */
export function parseShare(found: unknown, least: number): Parsed<number> {
  const digits = typeof found === 'string' ? /^(\d{1,3})%$/.exec(found)?.[1] : undefined
  const value = Number(digits)
  return digits !== undefined && value >= least && value <= 100
    ? { value: value / 100 }
    : { expected: `expected a share from ${least}% to 100%` }
}

/** Reads a part such as `0.1`, `10%` or `0.5%`, also as text. */
export function parseRatio(found: unknown): Parsed<number> {
  const value = typeof found === 'string' ? ratioIn(found) : found
  return typeof value === 'number' && value >= 0 && value <= 1
    ? { value }
    : { expected: 'expected a part from 0 to 1, such as 0.1 or 10%' }
}

function ratioIn(text: string): number | undefined {
  const percent = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(text)?.[1]
  if (percent !== undefined) return Number(percent) / 100
  return /^[01]?(?:\.\d{1,8})?$/.test(text) && text !== '' && text !== '.' ? Number(text) : undefined
}

function bareNumber(found: unknown): string | undefined {
  if (typeof found === 'number' && found >= 0) return String(found)
  return typeof found === 'string' && /^\d{1,10}$/.test(found) ? found : undefined
}
