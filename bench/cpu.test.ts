import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { cpuTimeUs, ticksOf } from './cpu.ts'

test('ticksOf: user and system time, whatever the name of the command', () => {
  const rest = 'S 1 2 3 4 5 6 7 8 9 10 700 42 0 0 20 0 1'
  assert.equal(ticksOf(`17 (node) ${rest}`), 742)
  assert.equal(ticksOf(`17 (a (b) c) ${rest}`), 742)
})

test('cpuTimeUs: follows what this process uses', { skip: !existsSync('/proc/self/stat') }, () => {
  const before = cpuTimeUs(process.pid)
  const target = process.cpuUsage().user + 60_000
  while (process.cpuUsage().user < target);
  const used = cpuTimeUs(process.pid) - before
  assert.ok(used >= 40_000, `${used} µs read for at least 60 ms of work`)
})

test('cpuTimeUs: a process that is not there is an error', { skip: !existsSync('/proc/self/stat') }, () => {
  assert.throws(() => cpuTimeUs(2 ** 30), /ENOENT/)
})
