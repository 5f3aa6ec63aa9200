import type { Backend } from '../backend/backend.ts'

/** How many tries a backend works on. Counted by the handler that sends. */
export interface Flight {
  running: number
}

/** What is under way at each backend: whoever closes one waits for it. */
export interface Flights {
  /** That of a backend, the same for as long as the backend is. */
  of(backend: Backend): Flight
}

/** Begins to count. */
export function createFlights(): Flights {
  const flights = new WeakMap<Backend, Flight>()
  return {
    of(backend) {
      const known = flights.get(backend)
      if (known !== undefined) return known
      const flight: Flight = { running: 0 }
      flights.set(backend, flight)
      return flight
    },
  }
}
