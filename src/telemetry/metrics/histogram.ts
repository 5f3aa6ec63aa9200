import { DURATION_BOUNDS } from '../conventions.ts'

/**
 * Bounds in seconds within which durations are kept: those of the conventions, and finer ones below the first of them,
 * so that percentiles of fast calls can be told apart. What is exported has the bounds of the conventions alone.
 */
const FINE = [0.000_5, 0.001, 0.002, 0.005] as const
const BOUNDS: readonly number[] = [...FINE, ...DURATION_BOUNDS]

/** How durations are spread. Recording writes into one array and allocates nothing. */
export class Histogram {
  /** The sum in seconds, and then one count more than bounds: the last is for what is above all of them. */
  readonly #cells = new Float64Array(BOUNDS.length + 2)

  /** @param ms a duration in milliseconds */
  record(ms: number): void {
    const seconds = ms > 0 ? ms / 1000 : 0
    let bucket = 0
    while (bucket < BOUNDS.length && seconds > (BOUNDS[bucket] ?? 0)) bucket++
    const cells = this.#cells
    cells[0] = (cells[0] ?? 0) + seconds
    cells[bucket + 1] = (cells[bucket + 1] ?? 0) + 1
  }

  /** Everything that was recorded, as it is now. */
  read(): Distribution {
    return new Distribution(this.#cells.slice())
  }

  /** How many durations were recorded. */
  get count(): number {
    let count = 0
    for (let index = 1; index < this.#cells.length; index++) count += this.#cells[index] ?? 0
    return count
  }

  /** Adds everything to a distribution that is being put together. */
  addTo(sum: Distribution): void {
    sum.add(this.#cells)
  }
}

/** Durations that were recorded until some moment, or between two. */
export class Distribution {
  readonly #cells: Float64Array

  constructor(cells: Float64Array = new Float64Array(BOUNDS.length + 2)) {
    this.#cells = cells
  }

  add(cells: Float64Array): void {
    for (let index = 0; index < this.#cells.length; index++)
      this.#cells[index] = (this.#cells[index] ?? 0) + (cells[index] ?? 0)
  }

  /** What came since another distribution was read. */
  since(before: Distribution | undefined): Distribution {
    if (before === undefined) return this
    return new Distribution(this.#cells.map((value, index) => value - (before.#cells[index] ?? 0)))
  }

  get count(): number {
    let count = 0
    for (let index = 1; index < this.#cells.length; index++) count += this.#cells[index] ?? 0
    return count
  }

  /** Seconds. */
  get sum(): number {
    return this.#cells[0] ?? 0
  }

  /** Counts within the bounds of the conventions, not summed up; the last is for what is above all of them. */
  get buckets(): readonly number[] {
    const all = [...this.#cells.subarray(1)]
    const fine = all.slice(0, FINE.length + 1).reduce((sum, count) => sum + count, 0)
    return [fine, ...all.slice(FINE.length + 1)]
  }

  /** Mean in milliseconds; undefined where there is nothing. */
  get mean(): number | undefined {
    return this.count === 0 ? undefined : (this.sum / this.count) * 1000
  }

  /**
   * Below which that part of the durations lies, in milliseconds: as exact as the bounds, straight between two of them.
   * Undefined where there is nothing.
   *
   * @param part in [0, 1]
   */
  quantile(part: number): number | undefined {
    const wanted = this.count * part
    if (this.count === 0) return undefined
    let seen = 0
    for (let bucket = 0; bucket < BOUNDS.length; bucket++) {
      const here = this.#cells[bucket + 1] ?? 0
      const [low, high] = [bucket === 0 ? 0 : (BOUNDS[bucket - 1] ?? 0), BOUNDS[bucket] ?? 0]
      if (seen + here >= wanted && here > 0) return (low + ((high - low) * (wanted - seen)) / here) * 1000
      seen += here
    }
    return (BOUNDS.at(-1) ?? 0) * 1000
  }
}
