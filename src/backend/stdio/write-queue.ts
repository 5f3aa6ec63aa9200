import type { Writable } from 'node:stream'

/** A line on its way to a process. */
export interface QueuedLine {
  /** True once it was handed to the pipe: from then on the process may have read it. */
  readonly sent: boolean
  /** Takes a line back that was not handed over yet. */
  withdraw(): void
}

/** Writes lines in order, without letting a process that does not read fill the gateway's memory. */
export interface WriteQueue {
  /**
   * Writes a line or lets it wait its turn; undefined when too much waits already. `onSent` is called when the line
   * is handed to the pipe.
   */
  write(line: string, onSent?: () => void): QueuedLine | undefined
}

/** How much may wait: lines, and their characters all together. */
export interface WriteBounds {
  readonly lines: number
  readonly characters: number
}

const BOUNDS: WriteBounds = { lines: 1_024, characters: 16 * 1024 * 1024 }

/** A queue in front of a pipe. What waits stays here rather than in the stream, where it could not be taken back. */
export function createWriteQueue(stdin: Writable, bounds: WriteBounds = BOUNDS): WriteQueue {
  const waiting = new Set<Waiting>()
  let characters = 0
  const remove = (entry: Waiting): void => {
    if (waiting.delete(entry)) characters -= entry.line.length
  }
  const send = (entry: Waiting): void => {
    entry.sent = true
    entry.onSent?.()
    stdin.write(entry.line)
  }
  stdin.on('drain', () => {
    for (const entry of waiting) {
      if (stdin.writableNeedDrain) return
      remove(entry)
      send(entry)
    }
  })
  return {
    write: (line, onSent) => {
      const entry = { line, onSent, sent: false, withdraw: () => remove(entry) }
      if (waiting.size === 0 && !stdin.writableNeedDrain) {
        send(entry)
        return entry
      }
      if (waiting.size >= bounds.lines || characters + line.length > bounds.characters) return undefined
      waiting.add(entry)
      characters += line.length
      return entry
    },
  }
}

interface Waiting {
  readonly line: string
  readonly onSent: (() => void) | undefined
  sent: boolean
}
