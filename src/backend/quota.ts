/** A bounded number of places for each holder. */
export interface Quota {
  /** Takes a place; false when the holder has all of its places. */
  take(holder: string): boolean
  /** Gives a place back. */
  give(holder: string): void
}

/** Creates a quota of so many places for each holder. */
export function createQuota(places: number): Quota {
  const taken = new Map<string, number>()
  return {
    take(holder) {
      const now = taken.get(holder) ?? 0
      if (now >= places) return false
      taken.set(holder, now + 1)
      return true
    },
    give(holder) {
      const now = taken.get(holder) ?? 0
      if (now <= 1) taken.delete(holder)
      else taken.set(holder, now - 1)
    },
  }
}
