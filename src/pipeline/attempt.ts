/** What is known of one try on its way to a backend. Whoever sends it keeps it true. */
export interface Attempt {
  /** False as long as surely not a byte of the request has left the gateway. */
  isSent: boolean
  /** The request has been handed to the connection: from now on nobody knows whether it is carried out. */
  sent(): void
  /** The backend gave a sign of life: the head of its answer, a part of it, or an event. */
  alive(): void
}

/** An attempt that nobody watches. */
export function createAttempt(): Attempt {
  return new PlainAttempt()
}

class PlainAttempt implements Attempt {
  isSent = false

  sent(): void {
    this.isSent = true
  }

  alive(): void {
    // Nothing is measured.
  }
}
