import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandLine, isHarmless, shownUrl } from './redact.ts'

test('command lines hide what looks like a secret', () => {
  for (const [args, expected] of [
    [['-y', '@scope/server', './data'], 'npx -y @scope/server ./data'],
    [['--token', 'hunter2'], 'npx --token …'],
    [['--api-key=hunter2', '--port=80'], 'npx --api-key=… --port=80'],
    [['-e', 'GITHUB_TOKEN=hunter2', 'image'], 'npx -e GITHUB_TOKEN=… image'],
    [['ghp_0123456789abcdef'], 'npx …'],
    [['postgres://user:hunter2@db/x'], 'npx …'],
    [['--url', 'https://example.com/mcp'], 'npx --url https://example.com/mcp'],
    [["it's"], String.raw`npx 'it'\''s'`],
  ] as const) {
    assert.equal(commandLine('npx', args), expected)
  }
})

test('URLs hide the values of their query, and keys in their path', () => {
  assert.equal(shownUrl('https://a.example/mcp'), 'https://a.example/mcp')
  assert.equal(shownUrl('https://a.example/mcp?api_key=x&b=1'), 'https://a.example/mcp?api_key=…&b=…')
  assert.equal(shownUrl('https://a.example/s/0123456789abcdef0123456789/mcp'), 'https://a.example/s/…/mcp')
})

test('only what is certainly no secret counts as harmless', () => {
  for (const [name, value] of [
    ['LOG_LEVEL', 'debug'],
    ['PORT', '8080'],
    ['DATA_DIR', '/var/lib/data'],
    ['BASE_URL', 'https://api.example.com/v1'],
  ] as const) {
    assert.ok(isHarmless(name, value), name)
  }
  for (const [name, value] of [
    ['API_KEY', '1'],
    ['USER', 'me'],
    ['DATABASE_URL', 'postgres://me:pw@db/x'],
    ['BASE_URL', 'https://me:pw@example.com'],
    ['HOOK', 'https://hooks.example.com/0123456789abcdef0123456789'],
  ] as const) {
    assert.ok(!isHarmless(name, value), name)
  }
})
