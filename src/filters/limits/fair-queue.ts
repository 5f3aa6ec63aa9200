/** What became of something that was to be queued. */
export type Queued<T> =
  | { readonly kind: 'queued' }
  /** It is queued, and this, the last of whoever has most in the queue, had to make room. */
  | { readonly kind: 'displaced'; readonly item: T }
  /** There is no room. */
  | { readonly kind: 'full' }

/**
 * A bounded queue in which flows take turns: between two turns of one flow, every other flow that has something gets
 * one, and within a flow first come is first served. When it is full, whoever has most in it makes room for whoever
 * has less, so that nobody can keep others out.
 */
export interface FairQueue<T> {
  readonly size: number
  push(flow: string, item: T): Queued<T>
  /** Whose turn it is. */
  peek(): T | undefined
  /** Takes out whose turn it is. */
  shift(): T | undefined
  /** Takes out something that no longer wants to wait. */
  remove(flow: string, item: T): void
}

/** @param most things that it holds at most */
export function createFairQueue<T>(most: number): FairQueue<T> {
  /** In the order of their turns; none is empty. */
  const flows = new Map<string, T[]>()
  let size = 0

  const longest = (): T[] =>
    [...flows.values()].reduce((found, flow) => (flow.length > found.length ? flow : found), [])
  const add = (name: string, item: T): void => {
    const flow = flows.get(name)
    if (flow === undefined) flows.set(name, [item])
    else flow.push(item)
    size++
  }
  return {
    get size() {
      return size
    },
    push(name, item) {
      if (size < most) {
        add(name, item)
        return { kind: 'queued' }
      }
      const crowd = longest()
      if (crowd.length <= (flows.get(name)?.length ?? 0) + 1) return { kind: 'full' }
      const last = crowd.pop()
      size--
      add(name, item)
      return last === undefined ? { kind: 'queued' } : { kind: 'displaced', item: last }
    },
    peek: () => flows.values().next().value?.[0],
    shift() {
      const next = flows.entries().next().value
      if (next === undefined) return undefined
      const [name, flow] = next
      const item = flow.shift()
      size--
      flows.delete(name)
      if (flow.length > 0) flows.set(name, flow)
      return item
    },
    remove(name, item) {
      const flow = flows.get(name)
      const index = flow?.indexOf(item) ?? -1
      if (flow === undefined || index === -1) return
      flow.splice(index, 1)
      size--
      if (flow.length === 0) flows.delete(name)
    },
  }
}
