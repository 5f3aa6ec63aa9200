import type { Units } from './units.ts'

/** Numbers for which there is room at all times; more are given back. */
const USUAL_ROOM = 512

/**
 * Where the keys of the objects that a scan is in stand in the text, those of the outermost first; each object looks at
 * its own part. They are compared where they stand: most are of objects that nobody looks at, and need no string.
 */
export class OpenKeys {
  /** Begin and end of each. */
  #places = new Int32Array(USUAL_ROOM)
  /** Two for each key that there is: what an object finds here is where its own part begins, and what it leaves. */
  end = 0

  /** Forgets all of them. */
  clear(): void {
    this.end = 0
    if (this.#places.length > USUAL_ROOM) this.#places = new Int32Array(USUAL_ROOM)
  }

  push(start: number, end: number): void {
    if (this.end === this.#places.length) {
      const more = new Int32Array(2 * this.end)
      more.set(this.#places)
      this.#places = more
    }
    this.#places[this.end] = start
    this.#places[this.end + 1] = end
    this.end += 2
  }

  /** Whether the last key is written with the same units as one before it in the part that begins there. */
  isRepeated(from: number, units: Units): boolean {
    const places = this.#places
    const last = this.end - 2
    const start = places[last] ?? 0
    const length = (places[last + 1] ?? 0) - start
    for (let index = from; index < last; index += 2) {
      const other = places[index] ?? 0
      if ((places[index + 1] ?? 0) - other !== length) continue
      let same = 0
      while (same < length && units[start + same] === units[other + same]) same++
      if (same === length) return true
    }
    return false
  }

  /** How many there are in the part that begins there. */
  count(from: number): number {
    return (this.end - from) / 2
  }

  /** Calls back with each key of the part that begins there. */
  each(from: number, take: (start: number, end: number) => void): void {
    for (let index = from; index < this.end; index += 2)
      take(this.#places[index] ?? 0, this.#places[index + 1] ?? 0)
  }
}
