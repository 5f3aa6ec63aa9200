import type { EjectionConfig, EndpointsConfig } from '../../config/types.ts'
import type { Clock } from '../../pipeline/clock.ts'

/** What a call at an endpoint shows of it: it answered, it failed, or nothing. */
export type Verdict = 'success' | 'failure' | 'nothing'

/** How likely an endpoint can carry a call out, as its own link and checks say. */
export type Fitness =
  /** Connected and healthy. */
  | 'fit'
  /** Connected, but checks say that it is not healthy. */
  | 'sick'
  /** Not connected. */
  | 'away'

/** What balancing needs. */
export interface BalancerPorts {
  readonly clock: Clock
  /** A number in [0, 1). */
  readonly random: () => number
  /** How the endpoint of that index is. */
  readonly fitness: (index: number) => Fitness
  /** Told when an endpoint is ejected, and why. */
  readonly onEject: (index: number, reason: string, ms: number) => void
}

/** Says which endpoint carries out a call, and learns from what became of it. */
export interface Balancer {
  /**
   * The endpoint for a call: one that is fit and not ejected if there is any, else one that is connected at all;
   * undefined where no endpoint is, or all that are were excluded.
   */
  choose(excluded: ReadonlySet<number> | undefined): number | undefined
  /** Whether an endpoint may be chosen before others: it is fit and not ejected. */
  isGood(index: number): boolean
  /** To be called when a call begins at an endpoint. */
  begin(index: number): void
  /** To be called when it has ended, after that many milliseconds. */
  end(index: number, verdict: Verdict, ms: number): void
  inFlight(index: number): number
  /** Clock milliseconds until which an endpoint is ejected; undefined while it is not. */
  ejectedUntil(index: number): number | undefined
}

/** Creates the balancer of one backend. */
export function createBalancer(config: EndpointsConfig, ports: BalancerPorts): Balancer {
  return new EndpointBalancer(config, ports)
}

/** The part of its calls that an endpoint gets at the beginning of its slow start. */
const FIRST_PART = 0.1

/** Calls after which the latency of an endpoint says something. */
const ENOUGH_CALLS = 20

/** Weight of the latest call in the mean latency. */
const LATEST = 0.1

/** Milliseconds below which a difference in latency is no reason to eject anybody. */
const LEAST_DIFFERENCE = 50

interface Endpoint {
  readonly weight: number
  inFlight: number
  /** Failures in a row. */
  failures: number
  /** Clock milliseconds until which it is ejected, even if they have passed. */
  ejectedUntil: number
  /** Ejections that still count for how long the next one lasts. */
  ejections: number
  /** How long the last ejection lasted. */
  lastEjection: number
  /** Clock milliseconds at which it came back; its slow start begins then. */
  backSince: number
  wasAway: boolean
  /** It was fit at least once. */
  isKnown: boolean
  /** Milliseconds that its calls take lately. */
  latency: number
  calls: number
}

class EndpointBalancer implements Balancer {
  readonly #config: EndpointsConfig
  readonly #ports: BalancerPorts
  readonly #endpoints: readonly Endpoint[]
  readonly #createdAt: number

  constructor(config: EndpointsConfig, ports: BalancerPorts) {
    this.#config = config
    this.#ports = ports
    this.#endpoints = config.list.map(({ weight }) => newEndpoint(weight))
    this.#createdAt = ports.clock.now()
  }

  choose(excluded: ReadonlySet<number> | undefined): number | undefined {
    const connected: number[] = []
    const good: number[] = []
    for (let index = 0; index < this.#endpoints.length; index++) {
      // Looked at even where it is excluded: that an endpoint was away must not be missed.
      const fitness = this.#look(index)
      if (fitness === 'away' || excluded?.has(index) === true) continue
      connected.push(index)
      if (fitness === 'fit' && !this.#isEjected(index)) good.push(index)
    }
    // Where nobody is good, whoever is connected is better than nobody.
    return this.#chooseOf(good.length > 0 ? good : connected)
  }

  isGood(index: number): boolean {
    return this.#look(index) === 'fit' && !this.#isEjected(index)
  }

  begin(index: number): void {
    this.#at(index).inFlight++
  }

  end(index: number, verdict: Verdict, ms: number): void {
    const endpoint = this.#at(index)
    endpoint.inFlight--
    const { ejection } = this.#config
    if (verdict === 'nothing' || ejection === undefined || this.#isEjected(index)) return
    if (verdict === 'success') this.#succeeded(index, ms, ejection)
    else if (++endpoint.failures >= ejection.failures)
      this.#eject(index, ejection, `${endpoint.failures} calls in a row failed`)
  }

  inFlight(index: number): number {
    return this.#at(index).inFlight
  }

  ejectedUntil(index: number): number | undefined {
    return this.#isEjected(index) ? this.#at(index).ejectedUntil : undefined
  }

  #at(index: number): Endpoint {
    const endpoint = this.#endpoints[index]
    if (endpoint === undefined) throw new RangeError(`there is no endpoint ${index}`)
    return endpoint
  }

  #look(index: number): Fitness {
    const endpoint = this.#at(index)
    const fitness = this.#ports.fitness(index)
    const isAway = fitness !== 'fit'
    if (endpoint.wasAway && !isAway && this.#isBack(endpoint)) endpoint.backSince = this.#ports.clock.now()
    endpoint.wasAway = isAway
    if (!isAway) endpoint.isKnown = true
    return fitness
  }

  /** Whoever connects first or last when the gateway starts is not back: all of them have just come. */
  #isBack({ isKnown }: Endpoint): boolean {
    return isKnown || this.#ports.clock.now() - this.#createdAt >= this.#config.slowStart
  }

  #isEjected(index: number): boolean {
    return this.#ports.clock.now() < this.#at(index).ejectedUntil
  }

  /** The less loaded of two chosen at random by weight, or just one of them. */
  #chooseOf(candidates: number[]): number | undefined {
    if (candidates.length < 2) return candidates[0]
    const first = this.#drawFrom(candidates)
    if (this.#config.balance === 'weighted') return first
    const second = this.#drawFrom(candidates.filter((index) => index !== first))
    return this.#load(second) < this.#load(first) ? second : first
  }

  #drawFrom(candidates: readonly number[]): number {
    const total = candidates.reduce((sum, index) => sum + this.#part(index), 0)
    let left = this.#ports.random() * total
    for (const index of candidates) {
      left -= this.#part(index)
      if (left < 0) return index
    }
    return candidates.at(-1) ?? 0
  }

  #load(index: number): number {
    return (this.#at(index).inFlight + 1) / this.#part(index)
  }

  /** Its weight, less while it has not been back for long. */
  #part(index: number): number {
    const { weight, backSince, ejectedUntil } = this.#at(index)
    const { slowStart } = this.#config
    const since = this.#ports.clock.now() - Math.max(backSince, ejectedUntil)
    return since >= slowStart ? weight : weight * Math.max(FIRST_PART, since / slowStart)
  }

  #succeeded(index: number, ms: number, ejection: EjectionConfig): void {
    const endpoint = this.#at(index)
    const { ejections, ejectedUntil, lastEjection } = endpoint
    endpoint.failures = 0
    // Whoever has done well for as long as the last ejection lasted has made up for it.
    if (ejections > 0 && this.#ports.clock.now() >= ejectedUntil + lastEjection) {
      endpoint.ejections--
      endpoint.lastEjection /= 2
    }
    endpoint.calls++
    endpoint.latency = endpoint.calls === 1 ? ms : endpoint.latency + (ms - endpoint.latency) * LATEST
    if (ejection.slowness !== undefined && this.#isSlow(index, ejection.slowness))
      this.#eject(index, ejection, 'it is much slower than the others')
  }

  #isSlow(index: number, slowness: number): boolean {
    const { calls, latency } = this.#at(index)
    if (calls < ENOUGH_CALLS) return false
    const others = this.#endpoints.filter((other, at) => at !== index && other.calls >= ENOUGH_CALLS)
    const latencies = others.map((other) => other.latency).toSorted((a, b) => a - b)
    const median = latencies[Math.floor((latencies.length - 1) / 2)]
    return median !== undefined && latency > median * slowness && latency - median > LEAST_DIFFERENCE
  }

  #eject(index: number, ejection: EjectionConfig, reason: string): void {
    if (!this.#mayEject(index, ejection)) return
    const endpoint = this.#at(index)
    const ms = Math.min(ejection.time * 2 ** Math.min(endpoint.ejections, 30), ejection.maxTime)
    endpoint.ejections++
    endpoint.lastEjection = ms
    endpoint.ejectedUntil = this.#ports.clock.now() + ms
    // It comes back on probation: one more failure, and it is out again.
    endpoint.failures = ejection.failures - 1
    endpoint.calls = 0
    this.#ports.onEject(index, reason, ms)
  }

  /** Never more than the share, but at least one; and never the last that is left. */
  #mayEject(index: number, { share }: EjectionConfig): boolean {
    const all = this.#endpoints.map((_, at) => at)
    const ejected = all.filter((at) => this.#isEjected(at)).length
    if (ejected >= Math.max(1, Math.floor(all.length * share))) return false
    return all.some((at) => at !== index && this.isGood(at))
  }
}

function newEndpoint(weight: number): Endpoint {
  return {
    weight,
    inFlight: 0,
    failures: 0,
    ejectedUntil: Number.NEGATIVE_INFINITY,
    ejections: 0,
    lastEjection: 0,
    backSince: Number.NEGATIVE_INFINITY,
    wasAway: false,
    isKnown: false,
    latency: 0,
    calls: 0,
  }
}
