import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from './load.ts'
import { formatProblem } from './problem.ts'

const parse = (text: string, env = {}): ReturnType<typeof parseConfig> =>
  parseConfig({ name: 'mcp.json', text, dir: '/home/me' }, env)

const lines = (text: string, env = {}): readonly string[] => {
  const result = parse(text, env)
  return (result.ok ? result.warnings : result.problems).map(formatProblem)
}

test("a desktop client's file is accepted as it is, with comments and trailing commas", () => {
  const result = parse(
    `{
\t// what Claude Desktop writes, and what people add /* by hand */
\t"mcpServers": {
\t\t"filesystem": { "command": "npx", "args": ["-y", "server//fs"], "env": { "KEY": "\${KEY}" } },
\t\t"remote": { "type": "streamable-http", "url": "https://example.com/mcp", "headers": { "X-Key": "k" } },
\t},
}`,
    { KEY: 'secret' },
  )
  assert.ok(result.ok)
  assert.deepEqual(result.warnings, [])
  assert.deepEqual(
    result.config.backends.map(({ name, transport }) => [name, transport]),
    [
      ['filesystem', 'stdio'],
      ['remote', 'http'],
    ],
  )
  const [filesystem] = result.config.backends
  assert.ok(filesystem?.transport === 'stdio')
  assert.deepEqual(filesystem.args, ['-y', 'server//fs'])
  assert.deepEqual([filesystem.env, filesystem.cwd], [{ KEY: 'secret' }, '/home/me'])
})

test("VS Code's servers are accepted, and its inputs are a problem where they are used", () => {
  assert.deepEqual(
    lines(
      '{ "inputs": [{ "id": "k", "description": "${input:k}" }], "servers": { "a": { "type": "http", "url": "http://a" } } }',
    ),
    [],
  )
  assert.deepEqual(
    lines(
      '{ "servers": { "a": { "url": "http://a", "headers": { "Authorization": "Bearer ${input:my-token}" } } } }',
    ),
    [
      'mcp.json:1:72: servers.a.headers.Authorization: ${input:my-token} asks a person in VS Code; set an environment variable instead and write ${MY_TOKEN}',
    ],
  )
})

test('names are adapted, disabled servers and unknown members left out, each with a warning', () => {
  const text = `{
  "theme": "dark",
  "mcpServers": {
    "My Files": { "command": "a", "autoApprove": ["x"], "timeout": 60 },
    "my files": { "command": "b" },
    "My-Files": { "command": "c" },
    "gateway": { "serverUrl": "http://d" },
    "off": { "command": "e", "disabled": true, "env": { "A": "\${NOT_SET}" } },
    "dotenv": { "command": "f", "envFile": ".env" }
  }
}`
  assert.deepEqual(lines(text), [
    'mcp.json:4:5: mcpServers."My Files": called My-Files here',
    'mcp.json:4:51: mcpServers."My Files".autoApprove: ignored: Toolgate has no such setting'.replace(
      '4:51',
      '4:35',
    ),
    'mcp.json:4:57: mcpServers."My Files".timeout: ignored: clients disagree about its unit; write it with one, such as "30s"',
    'mcp.json:5:5: mcpServers."my files": called my-files here',
    'mcp.json:6:5: mcpServers.My-Files: called My-Files-2 here',
    'mcp.json:7:5: mcpServers.gateway: called server-gateway here',
    'mcp.json:8:5: mcpServers.off: disabled in this file, so left out',
    'mcp.json:9:33: mcpServers.dotenv.envFile: ignored: Toolgate reads no .env files; set the variables in its environment',
    "mcp.json:2:3: theme: ignored: not part of Toolgate's configuration",
  ])
  const result = parse(text)
  assert.deepEqual(result.ok && result.config.backends.map(({ name }) => name), [
    'My-Files',
    'my-files',
    'My-Files-2',
    'server-gateway',
    'dotenv',
  ])
})

test('what is wrong is reported under the names of the file', () => {
  assert.deepEqual(
    lines(`{ "mcpServers": {
  "a b": { "serverUrl": "nowhere" },
  "old": { "type": "sse", "url": "http://old/sse" },
  "odd": { "type": "stdio", "url": "http://odd" } } }`),
    [
      'mcp.json:2:25: mcpServers."a b".serverUrl: expected an http:// or https:// URL; found text',
      'mcp.json:3:20: mcpServers.old.type: the transport sse (2024-11-05) is not served yet; use the Streamable HTTP URL of the server',
      'mcp.json:4:3: mcpServers.odd.command: missing: a backend with transport stdio needs a command',
      'mcp.json:4:29: mcpServers.odd.url: belongs to a backend with a url (http), but its transport is stdio',
    ],
  )
})

test('sections of ours may stand beside the servers, backends may not', () => {
  const result = parse(
    '{ "gateway": { "listen": "127.0.0.1:9000" }, "mcpServers": { "a": { "command": "x" } } }',
  )
  assert.equal(result.ok && result.config.gateway.listen.port, 9000)
  assert.deepEqual(lines('{ "mcpServers": { "a": { "command": "x" } }, "backends": {} }'), [
    'mcp.json:1:46: backends: a file has either mcpServers or backends',
  ])
})
