import { getHeapStatistics } from 'node:v8'
import { systemClock } from './clock.ts'

/** How busy the process is. */
export interface Load {
  /** Mean milliseconds that work has waited for the event loop since the last reading. */
  readonly delayMs: number
  /** Part of the memory that may be used which is used: 0 to 1. */
  readonly memory: number
}

/** Measures the load of the process. */
export interface LoadGauge {
  /** What has been since the last reading. */
  read(): Load
  close(): void
}

/** Memory of the process, in bytes. */
export interface Memory {
  /** In use on the heap of JavaScript. */
  readonly heap: number
  /** In use outside of it, such as buffers. */
  readonly external: number
  /** Most that the heap may use. */
  readonly limit: number
}

/** Memory as it is now. */
export function memoryNow(): Memory {
  const { used_heap_size: heap, external_memory: external, heap_size_limit: limit } = getHeapStatistics()
  return { heap, external, limit }
}

/** Milliseconds between two looks at the event loop. */
const RESOLUTION = 50

/**
 * Measures the process that this runs in. Costs a timer that does not keep the process alive, and not the histogram of
 * the platform (`monitorEventLoopDelay`), all of whose counts are walked and cleared at each reading.
 */
export function systemLoad(): LoadGauge {
  let looks = 0
  let between = 0
  let last = systemClock.now()
  const look = (): void => {
    const now = systemClock.now()
    looks++
    between += now - last
    last = now
    cancel = systemClock.after(RESOLUTION, look)
  }
  let cancel = systemClock.after(RESOLUTION, look)
  let delayMs = 0
  return {
    read() {
      // What is measured is the time between two looks, of which the resolution is no delay. Where there was no look at
      // all the loop is as late as it was, or later.
      if (looks > 0) delayMs = Math.max(0, between / looks - RESOLUTION)
      looks = 0
      between = 0
      const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
      return { delayMs, memory: used / limit }
    },
    close: () => cancel(),
  }
}
