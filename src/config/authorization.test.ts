import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { AuthorizationConfig } from './authorization-types.ts'
import { parseConfig } from './load.ts'
import { formatProblem } from './problem.ts'

const BACKENDS = 'backends: { a: http://a, a_b: http://b, github: http://g }\n'

/** What is said about a file with this text. */
function said(text: string, backends = BACKENDS): readonly string[] {
  const result = parseConfig({ name: 'f', text: backends + text, dir: '/' }, {})
  return (result.ok ? result.warnings : result.problems).map(formatProblem)
}

function read(text: string, backends = BACKENDS): AuthorizationConfig | undefined {
  const result = parseConfig({ name: 'f', text: backends + text, dir: '/' }, {})
  assert.ok(result.ok, result.ok ? '' : result.problems.map(formatProblem).join('\n'))
  assert.deepEqual(result.warnings, [])
  return result.config.authorization
}

const nothing = { tools: [], prompts: [], resources: [] }

describe('scopes', () => {
  test('are read in the form of the seed, with texts for lists of one', () => {
    assert.deepEqual(
      read(`authorization:
  scopes:
    github:read: [github_list_repos, github/search_*]
    "database:*": github/x
    files: { tools: [], resources: 'file:*' }
  scopeHierarchy: { admin: github:read }
`),
      {
        scopes: [
          { scope: 'github:read', ...nothing, tools: ['github_list_repos', 'github/search_*'] },
          { scope: 'database:*', ...nothing, tools: ['github/x'] },
          { scope: 'files', ...nothing, resources: ['file:*'] },
        ],
        scopeHierarchy: { admin: ['github:read'] },
        rules: [],
        argumentSize: 65_536,
      },
    )
  })

  test('may stand in auth, where they are taken from, and are found there', () => {
    const auth =
      'auth: { issuer: https://idp.example, scopes: { r: [github/x] }, scopeHierarchy: { s: [r] } }\n'
    const config = read(auth)
    assert.deepEqual(config?.scopes, [{ scope: 'r', ...nothing, tools: ['github/x'] }])
    assert.deepEqual(config?.scopeHierarchy, { s: ['r'] })
    assert.deepEqual(said('auth: { scopes: { r: [a_b_c] } }'), [
      'f:2:23: auth.scopes.r[0]: "a_b_c" could be about tools of a and a_b: write the backend and a slash in front (a/b_c, a_b/c, or */… for all backends)',
    ])
    assert.deepEqual(said('auth: { scopes: {} }\nauthorization: { scopes: {} }'), [
      'f:2:9: auth.scopes: stands in authorization.scopes too: a file has one of them',
    ])
  })

  test('stand beside mcpServers too', () => {
    const file = '{"mcpServers":{"x":{"url":"http://x"}},"authorization":{"scopes":{"r":["x_y"]}}}'
    assert.equal(read('', `${file}\n`)?.scopes.length, 1)
  })
})

const table: readonly (readonly [what: string, text: string, expected: readonly string[]])[] = [
  [
    'an entry that could be about two backends, literal or not',
    'authorization: { rules: [{ effect: deny, tools: [a/x, a_b_c, "a*"], prompts: a_b_x }] }',
    [
      'f:2:55: authorization.rules[0].tools[1]: "a_b_c" could be about tools of a and a_b: write the backend and a slash in front (a/b_c, a_b/c, or */… for all backends)',
      'f:2:62: authorization.rules[0].tools[2]: "a*" could be about tools of a and a_b: write the backend and a slash in front (a/…, a_b/…, or */… for all backends)',
      'f:2:78: authorization.rules[0].prompts: "a_b_x" could be about tools of a and a_b: write the backend and a slash in front (a/b_x, a_b/x, or */… for all backends)',
    ],
  ],
  [
    'an entry about no backend',
    'authorization: { scopes: { r: [githb_x, githb/y, nope, gateway_metrics] }, rules: [{ effect: deny, backends: [gitlab, "git*"] }] }',
    [
      'f:2:32: authorization.scopes.r[0]: no backend is called so, so nothing is matched: "githb_x"; did you mean github?',
      'f:2:41: authorization.scopes.r[1]: no backend is called so, so nothing is matched: "githb/y"; did you mean github?',
      'f:2:50: authorization.scopes.r[2]: no backend is called so, so nothing is matched: "nope"',
      'f:2:111: authorization.rules[0].backends[0]: no backend is called so, so nothing is matched: "gitlab"; did you mean github?',
    ],
  ],
  [
    'a hierarchy in circles',
    'authorization: { scopeHierarchy: { x: [y], y: [z], z: [y] } }',
    [
      'f:2:47: authorization.scopeHierarchy.y: y comes with itself: a hierarchy has a top',
      'f:2:55: authorization.scopeHierarchy.z: z comes with itself: a hierarchy has a top',
    ],
  ],
  [
    'what is no rule, all at once',
    `authorization:
  scopes: { 'a b': [github/x] }
  rules:
    - { effect: permit, tool: github/x }
    - { tools: 'git hub' }
    - { effect: allow, routes: mcp, annotations: { readOnly: true } }
    - { effect: allow, anonymous: maybe, when: 'args.x = 1' }
    - { effect: allow, when: 'arg.x == 1' }`,
    [
      `f:3:13: authorization.scopes."a b": expected a scope: characters without spaces, quotes and backslashes`,
      'f:5:17: authorization.rules[0].effect: expected allow or deny; found "permit"',
      'f:5:25: authorization.rules[0].tool: unknown setting; known here: name, effect, anonymous, subjects, groups, tenants, clients, issuers, scopes, claims, routes, backends, tools, prompts, resources, annotations, when; did you mean tools?',
      'f:6:7: authorization.rules[1].effect: missing: expected allow or deny',
      'f:6:16: authorization.rules[1].tools: expected <backend>_<name> or <backend>/<name>, with * for any characters; found "git hub"',
      'f:7:32: authorization.rules[2].routes: expected a path such as /mcp or /mcp/github; found "mcp"',
      'f:7:52: authorization.rules[2].annotations.readOnly: unknown setting; known here: readOnlyHint, destructiveHint, idempotentHint, openWorldHint',
      'f:8:35: authorization.rules[3].anonymous: expected true or false; found "maybe"',
      'f:8:48: authorization.rules[3].when: expected a CEL expression: at 1:8: found = but expecting end of input; found "args.x = 1"',
      'f:9:30: authorization.rules[4].when: expected a CEL expression: unknown variable arg; did you mean args?; found "arg.x == 1"',
    ],
  ],
  [
    'rules that can never match',
    `authorization:
  scopes: { r: ['a_b/x'] }
  rules:
    - { effect: deny, tools: 'github/*', name: closed }
    - { effect: allow, tools: github_list, groups: x }
    - { effect: allow, groups: ops, backends: 'a*' }
    - { effect: deny, groups: ops, tools: a_b/x, backends: a_b, when: 'args.n == 1' }
    - { effect: deny, groups: ops, backends: github }
    - { effect: allow, anonymous: true, subjects: '*' }
    - { effect: allow, groups: [] }
    - { effect: deny, backends: '*' }`,
    [
      'f:3:16: authorization.scopes.r: can never match: rules[7] decides everything that it would',
      'f:6:7: authorization.rules[1]: can never match: closed decides everything that it would',
      'f:8:7: authorization.rules[3]: can never match: rules[2] decides everything that it would',
      'f:10:7: authorization.rules[5]: can never match: nobody anonymous has subjects',
      'f:11:7: authorization.rules[6]: can never match: groups is empty, so nothing matches',
    ],
  ],
]

for (const [what, text, expected] of table)
  test(`says where there is ${what}`, () => {
    assert.deepEqual(
      said(text).toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })),
      expected,
    )
  })

test('the examples of the documentation mean something', async () => {
  const page = await readFile(new URL('../../docs/authorization.md', import.meta.url), 'utf8')
  const examples = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => text ?? '')
  assert.ok(examples.length > 1)
  for (const text of examples) assert.deepEqual(said(text, ''), [])
})

test('expressions are refused where they are too much', () => {
  const rule = (when: string): readonly string[] =>
    said(`authorization: ${JSON.stringify({ rules: [{ effect: 'allow', when }] })}`)
  assert.deepEqual(rule('args.n == 1'), [])
  for (const [when, reason] of [
    [`${'('.repeat(900)}true${')'.repeat(900)}`, /nested too deep/],
    [`true${' '.repeat(2000)}`, /at most 2000 characters/],
    [`[${'1,'.repeat(600)}1].size() > 1`, /more than 500 parts/],
    ['args.a.all(x, args.a.all(y, args.a.all(z, true)))', /loops nested more than 2 deep/],
    ['args.s.matches(args.p)', /literal pattern/],
    ['args.s.matches("(?=a)")', /not a pattern of RE2/],
    ['principal.name == "x"', /unknown member of principal name/],
    ['now() == 1', /unknown function now/],
    ['args.all(args, true)', /args is a variable already/],
    ['google.protobuf.Value{}', /not known here/],
    ['', /expected a CEL expression/],
  ] as const) {
    const [problem = ''] = rule(when)
    assert.match(problem, reason)
    assert.ok(problem.length < 500)
  }
})
