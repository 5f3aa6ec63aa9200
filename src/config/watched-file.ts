import { type FSWatcher, watch } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from '../pipeline/clock.ts'

/** Milliseconds of quiet after which a change is looked at: writers make several events of one change. */
const QUIET = 50
/** Milliseconds between two looks without an event: not every file system tells of changes (network, some mounts). */
const POLL = 5000

/** What watching needs. */
export interface WatchPorts {
  readonly clock: Clock
  /** Looks at the file. Called after each sign of a change, and now and then without one. Must not throw. */
  readonly look: () => void
}

/**
 * Looks at a file when it may have changed. Watches its folder, not the file: an editor, an atomic replacement or the
 * swap of a link beside it (as Kubernetes does) puts another file in the same place, of which the old one knows nothing.
 *
 * @returns stops watching
 */
export function watchFile(path: string, { clock, look }: WatchPorts): () => void {
  const folder = dirname(path)
  let watcher: FSWatcher | undefined
  let cancelQuiet: (() => void) | undefined
  let cancelPoll: (() => void) | undefined
  const lookSoon = (): void => {
    cancelQuiet ??= clock.after(QUIET, () => {
      cancelQuiet = undefined
      look()
    })
  }
  const poll = (): void => {
    watcher ??= open(folder, lookSoon, () => {
      watcher = undefined
    })
    cancelPoll = clock.after(POLL, () => {
      look()
      poll()
    })
  }
  poll()
  return () => {
    cancelQuiet?.()
    cancelPoll?.()
    watcher?.close()
  }
}

/** The folder may be missing, or be removed later: polling comes back to it. */
function open(folder: string, onEvent: () => void, onLost: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, onEvent)
    watcher.on('error', () => {
      watcher.close()
      onLost()
    })
    return watcher
  } catch {
    return undefined
  }
}
