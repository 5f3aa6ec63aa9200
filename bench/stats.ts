/** A median with the interval that covers the true median at the stated confidence. */
export interface MedianEstimate {
  readonly median: number
  /** Lower and upper bound, both of them observed values. */
  readonly interval: readonly [low: number, high: number]
}

const ascending = (values: readonly number[]): Float64Array => Float64Array.from(values).toSorted()

/**
 * The nearest-rank quantile of values that are already in ascending order.
 *
 * @param sorted ascending and not empty
 * @param fraction 0 (least) to 1 (greatest)
 * @throws RangeError if there are no values or the fraction is out of range
 */
export const quantile = (sorted: Float64Array, fraction: number): number => {
  if (fraction < 0 || fraction > 1) throw new RangeError(`A quantile lies in 0…1, not at ${fraction}`)
  const value = sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)]
  if (value === undefined) throw new RangeError('There is no quantile of no values')
  return value
}

/**
 * The median; the mean of the two middle values when their number is even.
 *
 * @throws RangeError if there are no values
 */
export const median = (values: readonly number[]): number => {
  const sorted = ascending(values)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.ceil(sorted.length / 2) - 1]
  if (upper === undefined || lower === undefined) throw new RangeError('There is no median of no values')
  return (lower + upper) / 2
}

/**
 * How many values to drop at each end so that the rest still covers the median with the wanted confidence.
 * The number of values below the true median is binomial(n, ½), whatever the distribution of the values, so
 * the interval needs no assumption and no random resampling: it is the same on every run.
 */
const droppedAtEachEnd = (count: number, confidence: number): number => {
  const tail = (1 - confidence) / 2
  let probability = 0.5 ** count
  let cumulative = 0
  let dropped = 0
  while (cumulative + probability <= tail) {
    cumulative += probability
    probability *= (count - dropped) / (dropped + 1)
    dropped += 1
  }
  // Dropping d values leaves out the median with probability P(X ≤ d) at each end, hence one less than was summed.
  return Math.max(0, dropped - 1)
}

/**
 * The median and its distribution-free confidence interval by order statistics (the sign test inverted). With
 * fewer than six values no interval reaches 95 %: it is then the whole range.
 *
 * @param confidence default 0.95
 * @throws RangeError if there are no values
 */
export const estimateMedian = (values: readonly number[], confidence = 0.95): MedianEstimate => {
  const sorted = ascending(values)
  const drop = droppedAtEachEnd(sorted.length, confidence)
  const low = sorted[drop]
  const high = sorted[sorted.length - 1 - drop]
  if (low === undefined || high === undefined) throw new RangeError('There is no median of no values')
  return { median: median(values), interval: [low, high] }
}
