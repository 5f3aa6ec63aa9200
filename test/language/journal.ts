import { inspect } from 'node:util'

/** What happened, in order, and a way to wait for what has not happened yet. */
export interface Journal<Entry> {
  /** Everything so far, oldest first. */
  readonly entries: readonly Entry[]
  record(entry: Entry): void
  /**
   * The first entry, past or future, that fits.
   *
   * @param from index of the first entry to look at; default 0
   * @throws Error with everything that did happen when nothing fits within ten seconds
   */
  until(fits: (entry: Entry) => boolean, from?: number): Promise<Entry>
  count(fits: (entry: Entry) => boolean): number
}

interface Waiting<Entry> {
  readonly fits: (entry: Entry) => boolean
  readonly found: (entry: Entry) => void
}

/** Longest wait for anything in these tests, in milliseconds: what takes longer does not happen at all. */
export const PATIENCE = 10_000

/** Creates an empty journal; `name` says in failures whose it is. */
export function createJournal<Entry>(name: string): Journal<Entry> {
  const entries: Entry[] = []
  const waiting = new Set<Waiting<Entry>>()
  return {
    entries,
    record(entry) {
      entries.push(entry)
      for (const each of waiting) if (each.fits(entry)) each.found(entry)
    },
    until(fits, from = 0) {
      const past = entries.slice(from).find(fits)
      if (past !== undefined) return Promise.resolve(past)
      const { promise, resolve, reject } = Promise.withResolvers<Entry>()
      const one: Waiting<Entry> = { fits, found: resolve }
      const give = new Error(`nothing in the journal of ${name} fits ${String(fits)}`)
      const timer = setTimeout(() => {
        give.message += `; it has ${inspect(entries.slice(-20), { depth: 4 })}`
        reject(give)
      }, PATIENCE)
      waiting.add(one)
      return promise.finally(() => {
        clearTimeout(timer)
        waiting.delete(one)
      })
    },
    count: (fits) => entries.filter(fits).length,
  }
}

/**
 * Waits for something that announces itself by nothing but its being so.
 *
 * @throws Error that names it when it is not so within ten seconds
 */
export async function eventually(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE
  const give = new Error(`it did not come about that ${what}`)
  while (!(await isSo())) {
    if (performance.now() > deadline) throw give
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
