/** What timers are made of. */
export interface TimerPorts {
  readonly now: () => number
  /** Runs the action once after so many milliseconds, unless the returned function is called before. */
  readonly wake: (ms: number, action: () => void) => () => void
}

/** As `Clock.after`. */
export type After = (ms: number, action: () => void) => () => void

/** Longest time that the platform's timers know, in milliseconds. */
const LONGEST = 2 ** 31 - 1

/**
 * Timers for times that are mostly called off: each call has several, of a few lengths that the configuration gives.
 * All of one length stand in one line, where the first is due first, so that one timer of the platform watches all of
 * them, and setting or calling off one is a link that is put in or taken out.
 */
export function createTimers(ports: TimerPorts): After {
  const lines = new Map<number, Line>()
  return (length, action) => {
    // As the platform does: what is too short or no number is a millisecond.
    const ms = length >= 1 ? Math.min(length, LONGEST) : 1
    let line = lines.get(ms)
    if (line === undefined) lines.set(ms, (line = new Line(ms, ports, lines)))
    const timer = new Timer(line, ports.now() + ms, action)
    line.add(timer)
    return () => timer.cancel()
  }
}

/** A timer of a line, between its neighbours. */
class Timer {
  readonly due: number
  before: Timer | undefined
  after: Timer | undefined
  /** Undefined once it has run or was called off. */
  #action: (() => void) | undefined
  readonly #line: Line

  constructor(line: Line, due: number, action: () => void) {
    this.due = due
    this.#line = line
    this.#action = action
  }

  cancel(): void {
    if (this.#action === undefined) return
    this.#action = undefined
    this.#line.remove(this)
  }

  run(): void {
    const action = this.#action
    this.cancel()
    action?.()
  }
}

/** Timers of one length. */
class Line {
  #first: Timer | undefined
  #last: Timer | undefined
  /** Whether it had two timers at once: a length that comes again stays watched while the line is empty. */
  #isShared = false
  #cancelWatch: (() => void) | undefined
  readonly #ms: number
  readonly #ports: TimerPorts
  readonly #lines: Map<number, Line>

  constructor(ms: number, ports: TimerPorts, lines: Map<number, Line>) {
    this.#ms = ms
    this.#ports = ports
    this.#lines = lines
  }

  add(timer: Timer): void {
    const last = this.#last
    if (last === undefined) this.#first = timer
    else {
      this.#isShared = true
      last.after = timer
      timer.before = last
    }
    this.#last = timer
    if (this.#cancelWatch === undefined) this.#watch(this.#ms)
  }

  remove(timer: Timer): void {
    const { before, after } = timer
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    // What is removed must not keep alive what stood beside it.
    timer.before = undefined
    timer.after = undefined
    if (this.#first === undefined && !this.#isShared) this.#end()
  }

  #end(): void {
    this.#cancelWatch?.()
    this.#cancelWatch = undefined
    // An action may have begun another line of this length.
    if (this.#lines.get(this.#ms) === this) this.#lines.delete(this.#ms)
  }

  #watch(ms: number): void {
    this.#cancelWatch = this.#ports.wake(ms, () => this.#look())
  }

  /** Runs what is due, and waits for the next, if there is one. Until then it counts as watched. */
  #look(): void {
    const now = this.#ports.now()
    try {
      for (let first = this.#first; first !== undefined && first.due <= now; first = this.#first) first.run()
    } finally {
      // Also after an action that threw: the others still have their time.
      if (this.#first === undefined) this.#end()
      else this.#watch(Math.max(0, this.#first.due - this.#ports.now()))
    }
  }
}
