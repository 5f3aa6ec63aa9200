import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Ran, run } from '../../test/cli/fake-io.ts'

const RULES = `authorization:
  scopes: { github:read: [github_list_repos] }
  rules:
    - { effect: deny, tools: database/query, when: 'args.sql.contains("DROP")', name: no drops }
    - { effect: allow, tools: database/query, groups: dev, when: 'args.limit <= 100' }
    - { effect: deny, annotations: { destructiveHint: true }, tenants: acme }
    - { effect: allow, clients: desk, prompts: github/*, resources: 'file:///public/*', routes: /mcp/github }
    - { effect: allow, claims: { role: admin }, backends: database }
`

async function setUp(t: TestContext, rules = RULES): Promise<(...args: readonly string[]) => Promise<Ran>> {
  const cwd = await mkdtemp(join(tmpdir(), 'toolgate-can-'))
  t.after(() => rm(cwd, { recursive: true }))
  await writeFile(
    join(cwd, 'toolgate.yaml'),
    `backends: { github: http://127.0.0.1:1/mcp, database: http://127.0.0.1:2/mcp }\n${rules}`,
  )
  return (...args) => run({ cwd, columns: 200 }, 'can', ...args)
}

/** The first line: the decision. */
const said = ({ stdout }: Ran): string => stdout.split('\n')[0] ?? ''

test('a decision is explained rule by rule', async (t) => {
  const can = await setUp(t)
  const allowed = await can(
    'alice',
    'database_query',
    '--group',
    'dev',
    '--arg',
    'sql=SELECT 1',
    '--arg',
    'limit=5',
  )
  assert.equal(
    allowed.stdout,
    `yes: alice may use database/query (rules[1])

   RULE      EFFECT  WHY
   no drops  deny    when is false
>  rules[1]  allow   matches, and when is true
`,
  )
  assert.equal(allowed.code, 0)
  const denied = await can('alice', 'github/list_repos', '--scope', 'other')
  assert.equal(
    denied.stdout,
    `no: alice may not use github/list_repos (default)
The scopes github:read would let it through.

   RULE                   EFFECT  WHY
   rules[2]               deny    tenants does not match
   scopes["github:read"]  allow   scopes does not match
>  default                deny    nothing allows it

4 rules are about something else.
`,
  )
  assert.equal(denied.code, 1)
})

test('the principal is a subject, anonymous, or all that it is', async (t) => {
  const can = await setUp(t)
  const query = ['database/query', '--args-json', '{"sql":"x","limit":100}']
  assert.match(said(await can('{"subject":"bob","groups":["dev"]}', ...query)), /^yes: bob .*rules\[1\]/)
  assert.match(said(await can('bob', ...query)), /^no/)
  assert.match(said(await can('bob', ...query, '--claims', '{"role":["admin"]}')), /^yes.*rules\[4\]/)
  assert.match(said(await can('anonymous', ...query)), /^no: anonymous/)
  assert.match(said(await can('bob', 'database/x', '--tenant', 'acme')), /^no.*rules\[2\]/)
  const tame = ['--tenant', 'acme', '--annotation', 'destructiveHint=false']
  assert.match(said(await can('bob', 'database/x', ...tame)), /^no.*default/)
})

test('prompts, resources and routes are asked about too', async (t) => {
  const can = await setUp(t)
  const own = ['--client', 'desk', '--route', '/mcp/github']
  assert.match(said(await can('bob', 'github_greet', '--kind', 'prompt', ...own)), /^yes/)
  assert.match(said(await can('bob', 'github_greet', '--kind', 'prompt', '--client', 'desk')), /^no/)
  const file = ['--kind', 'resource', '--backend', 'github', ...own]
  assert.match(
    said(await can('bob', 'file:///public/x', ...file)),
    /^yes: bob may use file:\/\/\/public\/x of github/,
  )
  assert.match(said(await can('bob', 'file:///public/../x', ...file)), /^no/)
})

test('programs get the whole of it', async (t) => {
  const can = await setUp(t)
  const { stdout } = await can('alice', 'database/query', '--arg', 'sql=DROP x', '--json')
  const { steps, ...answer } = JSON.parse(stdout) as { readonly steps: readonly unknown[] }
  assert.deepEqual(answer, {
    allowed: false,
    principal: 'alice',
    route: '/mcp',
    kind: 'tools',
    backend: 'database',
    name: 'query',
    by: 'no drops',
    scopes: null,
  })
  assert.deepEqual(steps, [
    { rule: 'no drops', effect: 'deny', decides: true, reason: 'matches, and when is true' },
  ])
})

test('without rules everybody may do everything', async (t) => {
  const can = await setUp(t, '')
  assert.equal(said(await can('anonymous', 'github/x')), 'yes: anonymous may use github/x (no rules)')
})

test('what cannot be understood is said', async (t) => {
  const can = await setUp(t)
  for (const [args, message] of [
    [['bob', 'gitlab_x'], /gitlab_x: no backend is called so; there is github, database/],
    [['bob', 'file:///x', '--kind', 'resource'], /Name the backend with --backend/],
    [['bob', 'github/x', '--route', '/mcp/none'], /expected \/mcp or \/mcp\/<backend>/],
    [['bob', 'github/x', '--claims', '[]'], /--claims must be a JSON object/],
    [['{bob', 'github/x'], /the principal must be a JSON object/],
    [['bob', 'github/x', '--annotation', 'readOnly=true'], /expected one of readOnlyHint/],
  ] as const) {
    const { code, stderr } = await can(...args)
    assert.equal(code, 1)
    assert.match(stderr, message)
  }
})
