import assert from 'node:assert/strict'
import { test } from 'node:test'
import { auditToLog } from './audit.ts'
import type { LogFields, LogLevel } from './log.ts'

test('an audit event is a line of the log that says so, with its facts', () => {
  const lines: (readonly [LogLevel, string, LogFields | undefined])[] = []
  const audit = auditToLog((...line) => void lines.push([line[0], line[1], line[2]]))
  audit({ event: 'definition.changed', backend: 'a', kind: 'tools', name: 'x', action: 'quarantined' })
  audit({ event: 'lock.invalid', file: 'tools.lock', problem: 'is no JSON' })
  assert.deepEqual(lines, [
    [
      'warn',
      'audit: definition.changed',
      {
        audit: true,
        event: 'definition.changed',
        backend: 'a',
        kind: 'tools',
        name: 'x',
        action: 'quarantined',
      },
    ],
    [
      'error',
      'audit: lock.invalid',
      { audit: true, event: 'lock.invalid', file: 'tools.lock', problem: 'is no JSON' },
    ],
  ])
})
