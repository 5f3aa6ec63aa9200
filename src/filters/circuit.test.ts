import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import type { CircuitBreakerConfig } from '../config/resilience.ts'
import { type CircuitState, type Ticket, createCircuit } from './circuit.ts'
import type { Verdict } from './classify.ts'

const CONFIG: CircuitBreakerConfig = {
  window: 10_000,
  minimumCalls: 4,
  failureRatio: 0.5,
  consecutiveFailures: 3,
  openFor: 5000,
  probes: 2,
  per: 'backend',
}

function setUp(over: Partial<CircuitBreakerConfig> = {}) {
  const clock = createFakeClock()
  const changes: CircuitState[] = []
  const circuit = createCircuit({ ...CONFIG, ...over }, { clock, onChange: (state) => changes.push(state) })
  const call = (...verdicts: readonly Verdict[]): void => {
    for (const verdict of verdicts) {
      const ticket = circuit.admit()
      assert.ok(ticket !== undefined, 'refused')
      circuit.settle(ticket, verdict)
    }
  }
  return { clock, circuit, changes, call }
}

describe('a circuit', () => {
  test('opens after so many failures in a row', () => {
    const { circuit, call } = setUp({ minimumCalls: 100 })
    call('failure', 'failure', 'success', 'failure', 'ignored', 'failure')
    assert.equal(circuit.state, 'closed')
    call('failure')
    assert.equal(circuit.state, 'open')
    assert.equal(circuit.admit(), undefined)
    assert.equal(circuit.retryAfterMs, 5000)
  })

  test('opens above a share of failures, but not of few calls', () => {
    const { circuit, call } = setUp({ consecutiveFailures: 100 })
    call('failure', 'failure', 'success')
    assert.equal(circuit.state, 'closed')
    call('success')
    assert.equal(circuit.state, 'closed', 'a success opens nothing')
    call('failure')
    assert.equal(circuit.state, 'open')
  })

  test('forgets what lies outside of the window', async () => {
    const { clock, circuit, call } = setUp()
    call('failure', 'failure')
    await clock.advance(10_001)
    call('failure', 'failure')
    assert.equal(circuit.state, 'closed')
    await clock.advance(5000)
    call('failure')
    assert.equal(circuit.state, 'open')
  })

  test('is probed by a few calls when its time is over, and closes when they go well', async () => {
    const { clock, circuit, changes, call } = setUp()
    call('failure', 'failure', 'failure')
    await clock.advance(4999)
    assert.equal(circuit.admit(), undefined)
    assert.equal(circuit.retryAfterMs, 1)
    await clock.advance(1)
    const [first, second] = [circuit.admit(), circuit.admit()]
    assert.ok(first !== undefined && second !== undefined)
    assert.equal(circuit.admit(), undefined, 'no more probes than allowed')
    assert.equal(circuit.retryAfterMs, 1000)
    circuit.settle(first, 'ignored')
    const third = circuit.admit()
    assert.ok(third !== undefined, 'a probe that says nothing gives its place back')
    circuit.settle(second, 'success')
    circuit.settle(third, 'success')
    assert.equal(circuit.state, 'closed')
    assert.deepEqual(changes, ['open', 'half-open', 'closed'])
  })

  test('opens again when a probe fails', async () => {
    const { clock, circuit, call } = setUp()
    call('failure', 'failure', 'failure')
    await clock.advance(5000)
    call('success', 'failure')
    assert.equal(circuit.state, 'open')
    assert.equal(circuit.retryAfterMs, 5000)
  })

  test('does not believe calls from before its last change', async () => {
    const { clock, circuit, call } = setUp()
    const old = circuit.admit()
    assert.ok(old !== undefined)
    call('failure', 'failure', 'failure')
    await clock.advance(5000)
    const probe = circuit.admit()
    circuit.settle(old, 'failure')
    assert.equal(circuit.state, 'half-open')
    circuit.settle(old, 'success')
    assert.ok(probe !== undefined)
    circuit.settle(probe, 'success')
    assert.equal(circuit.state, 'half-open', 'one probe of two')
  })
})

/** The same rules written as plainly as possible: every call is kept, everything is counted anew. */
class Model {
  state: CircuitState = 'closed'
  calls: { readonly step: number; readonly ok: boolean }[] = []
  period = 0
  until = 0
  probing = 0
  succeeded = 0
  readonly config: CircuitBreakerConfig

  constructor(config: CircuitBreakerConfig) {
    this.config = config
  }

  admit(now: number): number | undefined {
    if (this.state === 'open' && now >= this.until) this.become('half-open', now)
    if (this.state === 'open') return undefined
    if (this.state === 'half-open' && this.probing + this.succeeded >= this.config.probes) return undefined
    if (this.state === 'half-open') this.probing++
    return this.period
  }

  settle(period: number, verdict: Verdict, now: number): void {
    if (period !== this.period) return
    if (this.state === 'half-open') {
      this.probing--
      if (verdict === 'success') this.succeeded++
      if (verdict === 'failure') this.become('open', now)
      else if (this.succeeded >= this.config.probes) this.become('closed', now)
      return
    }
    if (verdict === 'ignored') return
    const { window, minimumCalls, failureRatio, consecutiveFailures } = this.config
    const step = Math.floor(now / (window / 10))
    this.calls.push({ step, ok: verdict === 'success' })
    const recent = this.calls.filter((one) => one.step > step - 10)
    const bad = recent.filter(({ ok }) => !ok).length
    const inARow = recent.length - 1 - recent.findLastIndex(({ ok }) => ok)
    if (verdict === 'success') return
    if (
      (recent.length >= minimumCalls && bad >= failureRatio * recent.length) ||
      inARow >= consecutiveFailures
    )
      this.become('open', now)
  }

  become(state: CircuitState, now: number): void {
    this.state = state
    this.period++
    this.calls = []
    this.probing = 0
    this.succeeded = 0
    if (state === 'open') this.until = now + this.config.openFor
  }
}

test('a circuit does what its reference model does, whatever happens in whatever order', async () => {
  const verdict = fc.constantFrom<Verdict>('success', 'failure', 'failure', 'ignored')
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ does: fc.constant('admit' as const) }) },
    { weight: 4, arbitrary: fc.record({ does: fc.constant('settle' as const), which: fc.nat(20), verdict }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('pass' as const), ms: fc.nat(6000) }) },
  )
  const config = fc.record({
    window: fc.constantFrom(1000, 10_000),
    minimumCalls: fc.integer({ min: 1, max: 6 }),
    failureRatio: fc.constantFrom(0.25, 0.5, 1),
    consecutiveFailures: fc.integer({ min: 1, max: 5 }),
    openFor: fc.constantFrom(500, 5000),
    probes: fc.integer({ min: 1, max: 3 }),
    per: fc.constant('backend' as const),
  })
  await fc.assert(
    fc.asyncProperty(config, fc.array(step, { maxLength: 120 }), async (settings, steps) => {
      const clock = createFakeClock()
      const circuit = createCircuit(settings, { clock, onChange: () => undefined })
      const model = new Model(settings)
      const underWay: (readonly [Ticket, number])[] = []
      for (const one of steps) {
        const now = clock.now()
        if (one.does === 'pass') await clock.advance(one.ms)
        else if (one.does === 'admit') {
          const [ticket, expected] = [circuit.admit(), model.admit(now)]
          assert.equal(
            ticket === undefined,
            expected === undefined,
            'lets pass what it must not, or not what it must',
          )
          if (ticket === undefined) assert.ok(circuit.retryAfterMs > 0)
          else if (expected !== undefined) underWay.push([ticket, expected])
        } else {
          const [pair] = underWay.splice(one.which % (underWay.length || 1), 1)
          if (pair === undefined) continue
          circuit.settle(pair[0], one.verdict)
          model.settle(pair[1], one.verdict, now)
        }
        assert.equal(circuit.state, model.state)
      }
    }),
    { numRuns: 500 },
  )
})
