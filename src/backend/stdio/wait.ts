import type { Clock } from '../../pipeline/clock.ts'

/**
 * Waits until `done` says so, asking again every `every` milliseconds, for at most `ms` milliseconds.
 *
 * Timers of the clock do not keep the gateway alive, and at its very start and end nothing else does: an open port
 * does while this waits, so that processes are ended before the gateway is.
 *
 * @returns whether it was done in time
 */
export async function waitUntil(
  done: () => boolean,
  clock: Clock,
  { ms, every }: { readonly ms: number; readonly every: number },
): Promise<boolean> {
  const { port1: hold } = new MessageChannel()
  hold.ref()
  const end = clock.now() + ms
  try {
    while (!done()) {
      const left = end - clock.now()
      if (left <= 0) return false
      await new Promise<void>((resolve) => void clock.after(Math.min(every, left), resolve))
    }
    return true
  } finally {
    hold.close()
  }
}
