/** Lets calls leave at a fixed rate. */
export interface Pacer {
  /** Calls `go` when it is the caller's turn, with the time at which the call was due: latency counts from then. */
  readonly turn: (go: (due: number) => void) => void
  /** Lets everybody who waits go at once, and whoever comes later. */
  readonly stop: () => void
}

/** Milliseconds between two looks at who may go. */
const TICK = 1

/**
 * Starts the clock of a fixed rate. Every call has its time; one that finds no free connection is late and counts so,
 * it is not left out (no coordinated omission).
 *
 * @param rate calls per second
 */
export const createPacer = (rate: number): Pacer => {
  const startedAt = performance.now()
  const waiting: ((due: number) => void)[] = []
  let released = 0
  let running = true
  const release = (): void => {
    const due = ((performance.now() - startedAt) * rate) / 1_000
    while (released < due) {
      const go = waiting.shift()
      if (go === undefined) return
      go(startedAt + (released * 1_000) / rate)
      released += 1
    }
  }
  const timer = setInterval(release, TICK)
  return {
    turn(go) {
      if (!running) return go(performance.now())
      waiting.push(go)
      release()
    },
    stop() {
      running = false
      clearInterval(timer)
      for (const go of waiting.splice(0)) go(performance.now())
    },
  }
}
