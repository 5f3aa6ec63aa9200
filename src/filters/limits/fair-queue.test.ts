import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createFairQueue } from './fair-queue.ts'

interface Item {
  readonly flow: string
  readonly number: number
}

type Step = { readonly does: 'push'; readonly flow: string } | { readonly does: 'shift' | 'remove' }

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        does: fc.constant('push' as const),
        flow: fc.constantFrom('a', 'a', 'a', 'b', 'c'),
      }),
    },
    { weight: 2, arbitrary: fc.record({ does: fc.constant('shift' as const) }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('remove' as const) }) },
  ),
  { maxLength: 120 },
)

describe('a fair queue', () => {
  test('loses and doubles nothing, keeps its bound, and the order within each flow', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), steps, (most, script) => {
        const queue = createFairQueue<Item>(most)
        let inside: Item[] = []
        const without = (item: Item | undefined): void => {
          assert.ok(item !== undefined && inside.includes(item))
          inside = inside.filter((other) => other !== item)
        }
        for (const [number, step] of script.entries()) {
          if (step.does === 'push') {
            const item = { flow: step.flow, number }
            const queued = queue.push(step.flow, item)
            if (queued.kind === 'displaced') without(queued.item)
            if (queued.kind === 'full') assert.equal(inside.length, most)
            else inside.push(item)
          } else if (step.does === 'shift') {
            const next = queue.peek()
            const item = queue.shift()
            assert.equal(item, next)
            if (inside.length === 0) assert.equal(item, undefined)
            else {
              assert.equal(
                item,
                inside.find(({ flow }) => flow === item?.flow),
                'first come, first served',
              )
              without(item)
            }
          } else if (inside.length > 0) {
            const item = inside[number % inside.length] ?? assert.fail()
            queue.remove(item.flow, item)
            without(item)
          }
          assert.equal(queue.size, inside.length)
          assert.ok(queue.size <= most)
        }
      }),
    )
  })

  test('gives every flow that waits a turn between two turns of any other', () => {
    fc.assert(
      fc.property(steps, (script) => {
        const queue = createFairQueue<Item>(1000)
        /** The turns of others since a flow that waits began to wait for its own, by flow. */
        const passed = new Map<string, string[]>()
        let waiting: Item[] = []
        for (const [number, step] of script.entries()) {
          if (step.does === 'push') {
            const item = { flow: step.flow, number }
            if (!passed.has(step.flow)) passed.set(step.flow, [])
            queue.push(step.flow, item)
            waiting.push(item)
          } else {
            const item = queue.shift()
            if (item === undefined) continue
            waiting = waiting.filter((other) => other !== item)
            for (const [flow, turns] of passed) if (flow !== item.flow) turns.push(item.flow)
            if (waiting.some(({ flow }) => flow === item.flow)) passed.set(item.flow, [])
            else passed.delete(item.flow)
          }
          for (const turns of passed.values())
            assert.equal(new Set(turns).size, turns.length, 'nobody has two turns while another waits')
        }
      }),
    )
  })

  test('makes room for whoever has less in it, so that nobody can keep others out', () => {
    const queue = createFairQueue<Item>(3)
    const crowd = [0, 1, 2].map((number) => ({ flow: 'crowd', number }))
    for (const item of crowd) assert.equal(queue.push('crowd', item).kind, 'queued')
    assert.equal(queue.push('crowd', { flow: 'crowd', number: 3 }).kind, 'full')
    const late = { flow: 'late', number: 0 }
    assert.deepEqual(queue.push('late', late), { kind: 'displaced', item: crowd[2] })
    assert.equal(
      queue.push('late', { flow: 'late', number: 1 }).kind,
      'full',
      'it has as much as it could get',
    )
    assert.deepEqual([queue.shift(), queue.shift(), queue.shift()], [crowd[0], late, crowd[1]])
  })
})
