import type { Clock } from '../pipeline/clock.ts'
import type { Source } from './source.ts'

/** Milliseconds between two fetches of one list that only announcements ask for. */
const INTERVAL = 1000

/**
 * Fetches a list as soon as a change of it is announced: at once, and again if more was announced while the backend
 * was given its rest, so that one that announces all the time is not asked all the time.
 */
export function createRecheck(clock: Clock): (source: Source) => void {
  /** Sources that rest, and whether they are to be asked once more. */
  const resting = new Map<Source, boolean>()
  const recheck = (source: Source): void => {
    if (resting.has(source)) {
      resting.set(source, true)
      return
    }
    resting.set(source, false)
    void source.refresh()
    clock.after(INTERVAL, () => {
      const again = resting.get(source) === true
      resting.delete(source)
      if (again) recheck(source)
    })
  }
  return recheck
}
