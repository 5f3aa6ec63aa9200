import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Pin, readPin } from './definition.ts'
import { compare } from './drift.ts'

const pin = (over: object): Pin => readPin(JSON.stringify({ name: 'x', description: 'a', ...over }))

test('what is listed is held against what was approved', () => {
  const approved = new Map([
    ['same', pin({})],
    ['changed', pin({})],
    ['gone', pin({})],
  ])
  const listed = new Map([
    ['same', pin({})],
    ['changed', pin({ description: 'b', title: 't' })],
    ['new', pin({})],
  ])
  const drifts = compare(approved, listed)
  assert.deepEqual(
    drifts.map(({ kind, name }) => [kind, name]),
    [
      ['same', 'same'],
      ['changed', 'changed'],
      ['added', 'new'],
      ['gone', 'gone'],
    ],
  )
  assert.deepEqual(drifts[1]?.kind === 'changed' && drifts[1].changes, ['description', 'title'])
})

test('the digest decides, whatever the notes for people say', () => {
  const now = pin({})
  const forged = new Map([['x', { ...now, digest: pin({ description: 'b' }).digest }]])
  const [drift] = compare(forged, new Map([['x', now]]))
  assert.deepEqual(drift?.kind === 'changed' && drift.changes, ['definition'])
  const noted = new Map([['x', { ...now, summary: 'another', members: {} }]])
  assert.equal(compare(noted, new Map([['x', now]]))[0]?.kind, 'same')
})
