import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measureDurations } from './durations.ts'

test('what was measured of a backend that left is forgotten, and what ends later is told of none', () => {
  const told = measureDurations()
  const ends = (backend: string): void =>
    told.sessionEnded({ side: 'client', version: '2025-11-25', transport: 'http', lasted: 5, backend })
  const backends = (): readonly (string | number | undefined)[] =>
    [...told.clientSessions].map(({ labels }) => labels.attributes.at(-1)?.[1])
  told.serve(new Set(['a', 'b']))
  for (const backend of ['a', 'b']) ends(backend)
  assert.deepEqual(backends(), ['a', 'b'])
  told.serve(new Set(['b']))
  ends('a')
  assert.deepEqual(backends(), ['b'])
})
