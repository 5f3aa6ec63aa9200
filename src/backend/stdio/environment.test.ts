import assert from 'node:assert/strict'
import { test } from 'node:test'
import { childEnvironment } from './environment.ts'

test('only harmless names are inherited, and what is configured wins', () => {
  const env = {
    PATH: '/bin',
    HOME: '/home/me',
    path: 'no',
    AWS_SECRET_ACCESS_KEY: 'no',
    NODE_OPTIONS: 'no',
    USER: undefined,
  }
  assert.deepEqual(childEnvironment({ env, platform: 'linux' }, { HOME: '/data', KEY: 'k' }), {
    PATH: '/bin',
    HOME: '/data',
    KEY: 'k',
  })
})

test('on Windows names have other names and no case', () => {
  const env = { Path: 'C:\\bin', SystemRoot: 'C:\\Windows', HOME: 'no', SECRET: 'no' }
  assert.deepEqual(childEnvironment({ env, platform: 'win32' }, {}), {
    Path: 'C:\\bin',
    SystemRoot: 'C:\\Windows',
  })
})
