/** A bounded number of places for each holder, and over all of them. */
export interface Quota {
  /** Takes a place; false when the holder has all of its places, or none is left. */
  take(holder: string): boolean
  /** Gives a place back. */
  give(holder: string): void
  /** Places that are taken, over all. */
  readonly taken: number
}

/** Creates a quota of so many places for each holder, and of `total` over all. */
export function createQuota(places: number, total: number): Quota {
  const taken = new Map<string, number>()
  let all = 0
  return {
    take(holder) {
      const now = taken.get(holder) ?? 0
      if (now >= places || all >= total) return false
      all++
      taken.set(holder, now + 1)
      return true
    },
    give(holder) {
      const now = taken.get(holder) ?? 0
      if (now > 0) all--
      if (now <= 1) taken.delete(holder)
      else taken.set(holder, now - 1)
    },
    get taken() {
      return all
    },
  }
}
