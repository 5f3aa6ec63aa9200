import type { QuotaPeriod } from '../config/limits-types.ts'

const DAY = 86_400_000

/** The number of the calendar period (UTC) that holds a time in milliseconds since the epoch. */
export function periodOf(time: number, period: QuotaPeriod): number {
  if (period === 'day') return Math.floor(time / DAY)
  const date = new Date(time)
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}

/** When that period ends, in milliseconds since the epoch. */
export function endOfPeriod(number: number, period: QuotaPeriod): number {
  return period === 'day' ? (number + 1) * DAY : Date.UTC(Math.floor(number / 12), (number % 12) + 1)
}

/** How long a period lasts, in seconds: the least that is true of every one. */
export function periodSeconds(period: QuotaPeriod): number {
  return (period === 'day' ? DAY : 28 * DAY) / 1000
}
