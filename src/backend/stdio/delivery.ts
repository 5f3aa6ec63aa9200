import type { NotificationMessage } from '../../protocol/message.ts'

/** Hands the notifications of one exchange on in order, at the pace of whoever takes them. */
export interface Delivery {
  /** False when more wait than may; nothing is handed on after that. */
  push(notification: NotificationMessage): boolean
  /** Runs `action` once everything pushed before was taken. */
  whenTaken(action: () => void): void
  /** Forgets what waits. */
  stop(): void
}

/** Where notifications go, and how much may wait. */
export interface DeliveryOptions {
  take(notification: NotificationMessage): Promise<void> | undefined
  /** Whoever takes them failed. */
  fail(error: unknown): void
  /** Notifications that may wait. */
  readonly queue: number
  /** Characters that may wait all together. */
  readonly characters: number
}

/**
 * A bounded queue in front of whoever takes the notifications. The pipe of a process is shared by all its
 * exchanges, so reading cannot pause for one of them: what is not taken has to wait here.
 */
export function createDelivery(options: DeliveryOptions): Delivery {
  let waiting: NotificationMessage[] = []
  let characters = 0
  let busy = false
  let stopped = false
  let afterwards: (() => void) | undefined

  const stop = (): void => {
    stopped = true
    waiting = []
    afterwards = undefined
  }
  const fail = (error: unknown): void => {
    if (stopped) return
    stop()
    options.fail(error)
  }
  const pump = async (taken: Promise<void>): Promise<void> => {
    busy = true
    await taken
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      characters -= next.text.length
      await options.take(next)
    }
    busy = false
    afterwards?.()
  }
  const take = (notification: NotificationMessage): void => {
    try {
      const taken = options.take(notification)
      if (taken !== undefined) pump(taken).catch(fail)
    } catch (error) {
      fail(error)
    }
  }
  return {
    push: (notification) => {
      if (stopped) return true
      if (!busy) {
        take(notification)
        return true
      }
      characters += notification.text.length
      if (waiting.length >= options.queue || characters > options.characters) {
        stop()
        return false
      }
      waiting.push(notification)
      return true
    },
    whenTaken: (action) => {
      if (busy) afterwards = action
      else action()
    },
    stop,
  }
}
