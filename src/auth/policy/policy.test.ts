import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { request, someone } from '../../../test/support/scripted.ts'
import { authorizationSchema } from '../../config/authorization-schema.ts'
import type { AuthenticatedPrincipal, Principal, Route } from '../../pipeline/call.ts'
import { toolHints } from '../../protocol/tool-hints.ts'
import { type Policy, createPolicy } from './policy.ts'
import type { Asked } from './things.ts'

const BACKENDS = ['github', 'database', 'files']
const ALL: Route = { kind: 'aggregate' }
const ANONYMOUS: Principal = { id: 'anonymous', anonymous: true }

function policyOf(section: unknown, now: () => number = () => 0): Policy {
  const policy = createPolicy(authorizationSchema.parse(section), { clock: { now }, backends: BACKENDS })
  assert.ok(policy)
  return policy
}

const tool = (backend: string, key: string, hints = toolHints()): Asked & { kind: 'tools' } => ({
  kind: 'tools',
  backend,
  key,
  hints,
})
const resource = (key: string, backend = 'files'): Asked => ({ kind: 'resources', backend, key })
const call = (args?: unknown): ReturnType<typeof request> =>
  request('tools/call', { name: 'any', ...(args === undefined ? {} : { arguments: args }) })
const with_ = (over: Partial<AuthenticatedPrincipal>): Principal => someone('somebody', over)
const scoped = (...scopes: string[]): Principal => with_({ scopes: new Set(scopes) })

/** The effect on a call, and the rule that decided. */
function verdict(policy: Policy, who: Principal, asked: Asked, args?: unknown): string {
  const { effect, by } = policy.rightsOf(who, ALL).decide(asked, call(args))
  return `${effect} by ${by}`
}

describe('scopes in the form of the seed', () => {
  const policy = policyOf({
    scopes: {
      'github:read': ['github_list_repos', 'github_search_code'],
      'github:write': 'github/create_*',
      'database:*': ['database_*'],
      'files:all': { tools: 'files/*', prompts: ['files_ask'], resources: 'file:///public/*' },
    },
    scopeHierarchy: { admin: ['github:write'], 'github:write': ['github:read'] },
  })

  test('open what they name, and nothing else', () => {
    assert.equal(
      verdict(policy, scoped('github:read'), tool('github', 'list_repos')),
      'allow by scopes["github:read"]',
    )
    assert.equal(verdict(policy, scoped('github:read'), tool('github', 'create_issue')), 'deny by default')
    assert.equal(verdict(policy, scoped('github:read'), tool('database', 'list_repos')), 'deny by default')
    assert.equal(verdict(policy, scoped(), tool('github', 'list_repos')), 'deny by default')
    assert.equal(verdict(policy, ANONYMOUS, tool('github', 'list_repos')), 'deny by default')
  })

  test('open tools of the gateway itself that clients see by that name', () => {
    const who = scoped('github:read', 'database:all')
    assert.equal(verdict(policy, who, tool('gateway', 'github_list_repos')), 'allow by scopes["github:read"]')
    // Patterns and tools of the same name elsewhere are another matter.
    assert.equal(verdict(policy, who, tool('gateway', 'database_query')), 'deny by default')
    assert.equal(verdict(policy, who, tool('gateway', 'list_repos')), 'deny by default')
    assert.equal(verdict(policy, who, tool('files', 'github_list_repos')), 'deny by default')
    assert.equal(policy.rightsOf(who, ALL).reaches('gateway', 'tools'), true)
    assert.equal(policy.rightsOf(scoped(), ALL).reaches('gateway', 'tools'), false)
  })

  test('are patterns where they hold a star', () => {
    for (const scope of ['database:read', 'database:', 'database:*'])
      assert.match(verdict(policy, scoped(scope), tool('database', 'query')), /^allow/)
    assert.match(verdict(policy, scoped('database'), tool('database', 'query')), /^deny/)
  })

  test('come with those below them', () => {
    assert.match(verdict(policy, scoped('admin'), tool('github', 'list_repos')), /^allow/)
    assert.match(verdict(policy, scoped('admin'), tool('github', 'create_issue')), /^allow/)
    assert.match(verdict(policy, scoped('github:read'), tool('github', 'create_issue')), /^deny/)
  })

  test('open prompts and resources where they say so', () => {
    const who = scoped('files:all')
    assert.match(verdict(policy, who, { kind: 'prompts', backend: 'files', key: 'ask' }), /^allow/)
    assert.match(verdict(policy, who, { kind: 'prompts', backend: 'files', key: 'other' }), /^deny/)
    assert.match(verdict(policy, who, resource('file:///public/a')), /^allow/)
    assert.match(verdict(policy, who, resource('file:///secret/a')), /^deny/)
  })

  test('can be asked for by name, and the one that opens the least is', () => {
    const asks = (who: Principal, asked: Asked): readonly string[] | undefined =>
      policy.rightsOf(who, ALL).scopesFor(asked, call())
    assert.deepEqual(asks(scoped(), tool('github', 'list_repos')), ['github:read'])
    assert.deepEqual(asks(scoped('github:read'), tool('github', 'create_issue')), ['github:write'])
    // Nobody is told to ask for a pattern.
    assert.equal(asks(scoped(), tool('database', 'query')), undefined)
    assert.equal(asks(scoped(), tool('github', 'delete')), undefined)
  })
})

describe('rules', () => {
  test('are asked in their order, and before scopes', () => {
    const policy = policyOf({
      scopes: { all: ['*/*'] },
      rules: [
        { effect: 'deny', tools: 'database/drop', name: 'no drops' },
        { effect: 'allow', tools: 'database/drop' },
        { effect: 'allow', backends: 'files' },
      ],
    })
    assert.equal(verdict(policy, scoped('all'), tool('database', 'drop')), 'deny by no drops')
    assert.equal(verdict(policy, scoped(), tool('files', 'read')), 'allow by rules[2]')
    assert.equal(verdict(policy, scoped('all'), tool('github', 'x')), 'allow by scopes["all"]')
    // A rule that names no things is about everything, methods of extensions too.
    assert.match(verdict(policy, scoped(), { kind: 'method', backend: 'files', key: 'x/y' }), /^allow/)
    assert.match(verdict(policy, scoped('all'), { kind: 'method', backend: 'github', key: 'x/y' }), /^deny/)
  })

  test('look at every side of a principal', () => {
    const person = with_({
      subject: 'alice',
      issuer: 'https://idp.example',
      client: 'desk',
      tenant: 'acme',
      scopes: new Set(['a', 'b']),
      groups: new Set(['dev', 'ops']),
      claims: { role: ['x', 'admin'], level: 3, constructor: 'no' },
    })
    const cases: readonly (readonly [object, boolean])[] = [
      [{ subjects: 'ali*' }, true],
      [{ subjects: ['bob', 'carol'] }, false],
      [{ issuers: 'https://idp.example' }, true],
      [{ clients: 'desk' }, true],
      [{ clients: 'desk2' }, false],
      [{ tenants: 'acme' }, true],
      [{ tenants: [] }, false],
      [{ groups: ['x', 'ops'] }, true],
      [{ groups: 'op' }, false],
      [{ scopes: ['a', 'b'] }, true],
      [{ scopes: ['a', 'c'] }, false],
      [{ scopes: 'a*' }, true],
      [{ claims: { role: 'admin', level: '3' } }, true],
      [{ claims: { role: 'admin', level: '4' } }, false],
      [{ claims: { missing: '*' } }, false],
      [{ claims: { toString: '*' } }, false],
      [{ anonymous: false }, true],
      [{ anonymous: true }, false],
      [{ routes: '/mcp' }, true],
      [{ routes: '/mcp/*' }, false],
    ]
    for (const [demand, expected] of cases) {
      const policy = policyOf({ rules: [{ effect: 'allow', ...demand }] })
      assert.equal(
        verdict(policy, person, tool('github', 'x')).startsWith('allow'),
        expected,
        JSON.stringify(demand),
      )
    }
  })

  test('take nobody anonymous for somebody', () => {
    for (const demand of [
      { subjects: '*' },
      { groups: '*' },
      { tenants: '*' },
      { scopes: '*' },
      { claims: { a: '*' } },
    ])
      assert.match(
        verdict(policyOf({ rules: [{ effect: 'allow', ...demand }] }), ANONYMOUS, tool('github', 'x')),
        /^deny/,
      )
    const open = policyOf({ rules: [{ effect: 'allow', anonymous: true }] })
    assert.match(verdict(open, ANONYMOUS, tool('github', 'x')), /^allow/)
  })

  test('tell routes apart', () => {
    const policy = policyOf({ rules: [{ effect: 'allow', routes: '/mcp/github' }] })
    const own: Route = { kind: 'backend', backend: 'github' }
    const who = scoped()
    assert.equal(policy.rightsOf(who, own).decide(tool('github', 'x'), call()).effect, 'allow')
    assert.equal(policy.rightsOf(who, ALL).decide(tool('github', 'x'), call()).effect, 'deny')
  })

  test('look at what a tool says of itself, as the specification understands what it does not say', () => {
    const policy = policyOf({
      rules: [
        { effect: 'deny', annotations: { destructiveHint: true } },
        { effect: 'allow', backends: '*' },
      ],
    })
    assert.match(verdict(policy, scoped(), tool('github', 'silent')), /^deny/)
    assert.match(
      verdict(policy, scoped(), tool('github', 'reads', toolHints({ readOnlyHint: true }))),
      /^allow/,
    )
    assert.match(
      verdict(policy, scoped(), tool('github', 'tame', toolHints({ destructiveHint: false }))),
      /^allow/,
    )
    // Saying something else the next time counts at once.
    assert.match(verdict(policy, scoped(), tool('github', 'tame')), /^deny/)
    // Prompts have no annotations.
    assert.match(verdict(policy, scoped(), { kind: 'prompts', backend: 'github', key: 'p' }), /^allow/)
  })

  test('cannot be passed by a name of another kind', () => {
    const policy = policyOf({ rules: [{ effect: 'allow', tools: 'github/*' }] })
    const who = scoped()
    assert.match(verdict(policy, who, { kind: 'tools', backend: 'github', key: 'secret' }), /^allow/)
    assert.match(verdict(policy, who, { kind: 'prompts', backend: 'github', key: 'secret' }), /^deny/)
  })
})

describe('resources', () => {
  const policy = policyOf({
    rules: [
      { effect: 'deny', resources: 'file:///public/secret/*' },
      { effect: 'allow', resources: 'file:///public/*' },
    ],
  })

  test('are never let through by a URI that means another one', () => {
    for (const uri of [
      'file:///public/../etc/passwd',
      'file:///public/%2e%2e/etc/passwd',
      'file:///public/.%2E%2fetc/passwd',
      String.raw`file:///public/..\etc`,
      'file:///public/%252e%252e/etc',
      'file:///public/./secret',
      'file:///public/..',
      'file:///public/%25%32%65%25%32%65/etc',
      `file:///public/%${'25'.repeat(2000)}2e`,
      `file:///public/${'x'.repeat(10_000)}`,
    ])
      assert.match(verdict(policy, scoped(), resource(uri)), /^deny/, uri)
    for (const uri of [
      'file:///public/a..b',
      'file:///public/...',
      'file:///public/.hidden',
      'file:///public/a.',
      'file:///public/100%25',
    ])
      assert.match(verdict(policy, scoped(), resource(uri)), /^allow/, uri)
  })

  test('of a template are seen where it can become one that may be read', () => {
    const sees = (key: string): boolean =>
      policy.rightsOf(scoped(), ALL).sees({ kind: 'resourceTemplates', backend: 'files', key })
    assert.ok(sees('file:///public/{path}'))
    assert.ok(sees('file:///{+path}'))
    assert.ok(sees('{uri}'))
    assert.ok(!sees('file:///public/secret/{name}'))
    assert.ok(!sees('db://{table}'))
  })
})

describe('expressions', () => {
  const allow = (when: string, ...more: object[]): Policy =>
    policyOf({ rules: [...more, { effect: 'allow', when }] })

  test('judge arguments', () => {
    const policy = allow('args.path.startsWith("/public/") && size(args.ids) < 3')
    const ask = (args: unknown): string => verdict(policy, scoped(), tool('files', 'read'), args)
    assert.match(ask({ path: '/public/x', ids: [1, 2] }), /^allow/)
    assert.match(ask({ path: '/secret', ids: [] }), /^deny/)
    assert.match(ask({ path: '/public/x', ids: [1, 2, 3] }), /^deny/)
  })

  test('that fail deny, whatever the rule would do and whatever comes after it', () => {
    const wide = { effect: 'allow', backends: '*' }
    for (const effect of ['allow', 'deny']) {
      const policy = policyOf({ rules: [{ effect, when: 'args.n > 1.0' }, wide] })
      for (const args of [undefined, {}, { n: 'x' }, { n: null }, [], { n: {} }])
        assert.equal(verdict(policy, scoped(), tool('files', 'read'), args), 'deny by rules[0]')
    }
    const policy = policyOf({ rules: [{ effect: 'deny', when: 'args.n' }, wide] })
    assert.equal(verdict(policy, scoped(), tool('files', 'read'), { n: 1 }), 'deny by rules[0]')
    const early = policyOf({ rules: [{ effect: 'deny', when: 'principal.claims.role == "x"' }, wide] })
    assert.equal(verdict(early, scoped(), tool('files', 'read')), 'deny by rules[0]')
    assert.equal(verdict(early, ANONYMOUS, tool('files', 'read')), 'deny by rules[0]')
  })

  test('know the principal and the call', () => {
    const who = with_({ groups: new Set(['dev']), tenant: 'acme', claims: { 'https://x/role': 'boss' } })
    for (const when of [
      'principal.tenant == "acme" && !principal.anonymous',
      '"dev" in principal.groups && principal.client == null',
      'principal.claims["https://x/role"] == "boss"',
      'backend == "files" && tool == "read" && prompt == "" && resource == ""',
      'route == "/mcp" && method == "tools/call"',
      'annotations.destructiveHint && !annotations.readOnlyHint',
      'principal.subject.matches("^some(body)+$")',
      'args.tenant == principal.tenant',
    ])
      assert.match(verdict(allow(when), who, tool('files', 'read'), { tenant: 'acme' }), /^allow/, when)
  })

  test('see arguments as they are, whatever their members are called', () => {
    const policy = allow('args.path == "safe"')
    for (const args of [
      { path: { $typeName: 'google.protobuf.StringValue', value: 'safe' } },
      {
        $typeName: 'google.protobuf.Struct',
        fields: { path: { kind: { case: 'stringValue', value: 'safe' } } },
      },
    ])
      assert.match(verdict(policy, scoped(), tool('files', 'read'), args), /^deny/)
    // A member that would confuse whoever looks at constructors is a member like any other.
    const odd = { path: 'safe', constructor: { name: 'Array' }, toString: 1, hasOwnProperty: null }
    assert.match(verdict(policy, scoped(), tool('files', 'read'), odd), /^allow/)
    const proto = JSON.parse('{"__proto__":{"path":"safe"}}') as unknown
    assert.match(verdict(policy, scoped(), tool('files', 'read'), proto), /^deny/)
  })

  test('are bounded: large arguments, long loops and slow patterns deny in no time', () => {
    const sized = policyOf({ argumentSize: '1KiB', rules: [{ effect: 'allow', when: 'has(args.text)' }] })
    assert.match(verdict(sized, scoped(), tool('files', 'w'), { text: 'x'.repeat(900) }), /^allow/)
    assert.match(verdict(sized, scoped(), tool('files', 'w'), { text: 'x'.repeat(1100) }), /^deny/)

    const loops = allow('args.l.all(x, args.l.all(y, x <= 2.0 && y <= 2.0))')
    const list = (length: number): object => ({ l: Array.from({ length }, () => 1) })
    assert.match(verdict(loops, scoped(), tool('files', 'w'), list(90)), /^allow/)
    assert.match(verdict(loops, scoped(), tool('files', 'w'), list(101)), /^deny/)
    // Not even a side that decides hides that it was too much.
    assert.match(
      verdict(
        allow('args.l.all(x, args.l.all(y, true)) || has(args.l)'),
        scoped(),
        tool('files', 'w'),
        list(200),
      ),
      /^deny/,
    )

    const greedy = allow('args.s.matches("^(a+)+$")')
    assert.match(verdict(greedy, scoped(), tool('files', 'w'), { s: `${'a'.repeat(60_000)}b` }), /^deny/)
  })

  test('end when their time is over', () => {
    let now = 0
    const policy = policyOf({ rules: [{ effect: 'allow', when: 'args.l.all(x, true)' }] }, () => (now += 20))
    assert.match(verdict(policy, scoped(), tool('files', 'w'), { l: [1] }), /^allow/)
    assert.match(verdict(policy, scoped(), tool('files', 'w'), { l: [1, 2, 3, 4] }), /^deny/)
  })

  test('leave a tool listed as long as some arguments could be allowed', () => {
    const dev = with_({ groups: new Set(['dev']) })
    const sees = (policy: Policy, who = dev): boolean => policy.rightsOf(who, ALL).sees(tool('files', 'read'))
    assert.ok(sees(allow('args.n == 1')))
    assert.ok(sees(allow('!has(args.n)')))
    assert.ok(sees(allow('has(args.n)')))
    assert.ok(sees(allow('"dev" in principal.groups && args.n == 1')))
    assert.ok(!sees(allow('"ops" in principal.groups && args.n == 1')))
    assert.ok(!sees(allow('args.n == 1 && "ops" in principal.groups')))
    assert.ok(!sees(allow('principal.claims.missing == args.n && false')))
    assert.ok(sees(allow('args.n == 1', { effect: 'deny', when: 'args.m == 1' })))
    assert.ok(!sees(allow('args.n == 1', { effect: 'deny', when: 'true || args.m == 1' })))
    assert.ok(sees(allow('principal.groups.exists(g, g == args.g)')))
    assert.ok(sees(allow('args.l.exists(g, g in principal.groups)')))
    assert.ok(!sees(policyOf({ rules: [{ effect: 'deny', when: 'args.n == 1' }] })))
  })

  test('ask for the scope that is missing only where the arguments would be allowed', () => {
    const policy = policyOf({
      rules: [
        { effect: 'deny', tools: 'database/query', when: 'args.sql.contains("DROP")' },
        { effect: 'allow', tools: 'database/query', scopes: ['db', 'audit'] },
      ],
    })
    const rights = policy.rightsOf(scoped('db'), ALL)
    const asked = tool('database', 'query')
    // Every scope that the call needs, those that are held too.
    assert.deepEqual(rights.scopesFor(asked, call({ sql: 'SELECT 1' })), ['db', 'audit'])
    assert.equal(rights.scopesFor(asked, call({ sql: 'DROP x' })), undefined)
    assert.equal(rights.scopesFor(asked, call({})), undefined)
  })
})

describe('what nobody can call', () => {
  test('is what no rule allows, or what is denied to all first', () => {
    const policy = policyOf({
      rules: [
        { effect: 'deny', tools: 'database/drop' },
        { effect: 'deny', tools: 'database/alter', groups: 'dev' },
        { effect: 'allow', backends: 'database', when: 'args.sure' },
      ],
    })
    assert.ok(!policy.isReachable(tool('database', 'drop')))
    assert.ok(policy.isReachable(tool('database', 'alter')))
    assert.ok(!policy.isReachable(tool('github', 'x')))
    const rights = policy.rightsOf(scoped(), ALL)
    assert.ok(rights.reaches('database') && rights.reaches('database', 'prompts'))
    assert.ok(!rights.reaches('github'))
  })
})

test('without a rule or scope there is no policy', () => {
  for (const section of [{}, { scopeHierarchy: { a: ['b'] } }])
    assert.equal(
      createPolicy(authorizationSchema.parse(section), { clock: { now: () => 0 }, backends: [] }),
      undefined,
    )
  assert.equal(createPolicy(undefined, { clock: { now: () => 0 }, backends: [] }), undefined)
})

/** Conditions with what they mean; undefined is an error. */
const CONDITIONS: Readonly<Record<string, (who: Principal, args: Args) => boolean | undefined>> = {
  true: () => true,
  'args.n > 1.0': (_, { n }) => (n === undefined ? undefined : n > 1),
  'has(args.n)': (_, { n }) => n !== undefined,
  '"a" in principal.groups': (who) => !who.anonymous && who.groups.has('a'),
  '"a" in principal.groups && args.n > 1.0': (who, { n }) =>
    !who.anonymous && who.groups.has('a') ? (n === undefined ? undefined : n > 1) : false,
  'principal.claims.c == "x"': (who) =>
    who.anonymous || who.claims['c'] === undefined ? undefined : who.claims['c'] === 'x',
}

interface Args {
  readonly n?: number
}

interface RandomRule {
  readonly effect: 'allow' | 'deny'
  readonly tools?: string[]
  readonly backends?: string
  readonly groups?: string
  readonly scopes?: string[]
  readonly anonymous?: boolean
  readonly when?: string
}

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 })
const rule = fc.record<RandomRule>(
  {
    effect: fc.constantFrom('allow', 'deny'),
    tools: fc.array(fc.constantFrom('github/x', '*/x', 'files/*', 'database_x', 'files_y*'), {
      maxLength: 3,
    }),
    backends: fc.constantFrom('github', '*', 'f*'),
    groups: fc.constantFrom('a', 'b', '*'),
    scopes: fc.array(fc.constantFrom('s', 't*', 'top'), { maxLength: 2 }),
    anonymous: fc.boolean(),
    when: fc.constantFrom(...Object.keys(CONDITIONS)),
  },
  { requiredKeys: ['effect'] },
)
const somebody = fc.record({
  groups: fc.subarray(['a', 'b']),
  scopes: fc.subarray(['s', 't1', 'top']),
  c: maybe(fc.constantFrom('x', 'y')),
})
const asking = fc.record({
  backend: fc.constantFrom(...BACKENDS),
  key: fc.constantFrom('x', 'y', 'yy'),
  n: maybe(fc.constantFrom(0, 1, 2)),
})

const star = (pattern: string, text: string): boolean =>
  new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(text)

/** What the rules say, one after the other, as the documentation puts it. */
function naively(
  rules: readonly RandomRule[],
  who: Principal,
  ask: { backend: string; key: string; args: Args },
): string {
  const { backend, key, args } = ask
  for (const [index, each] of rules.entries()) {
    const { tools, backends, groups, scopes = [], anonymous, when, effect } = each
    const named = (entry: string): boolean =>
      entry.includes('/') ? star(entry, `${backend}/${key}`) : star(entry, `${backend}_${key}`)
    if (tools !== undefined && !tools.some(named)) continue
    if (backends !== undefined && !star(backends, backend)) continue
    if (anonymous !== undefined && who.anonymous !== anonymous) continue
    if (groups !== undefined && (who.anonymous || ![...who.groups].some((group) => star(groups, group))))
      continue
    const held = who.anonymous ? [] : [...who.scopes, ...(who.scopes.has('top') ? ['t1'] : [])]
    if (!scopes.every((scope) => held.some((one) => star(scope, one)))) continue
    const outcome = when === undefined ? true : CONDITIONS[when]?.(who, args)
    if (outcome === undefined) return `deny by rules[${index}]`
    if (outcome) return `${effect} by rules[${index}]`
  }
  return 'deny by default'
}

test('the index, the explanation and a naive reading of any rules agree, and lists hold what can be called', () => {
  fc.assert(
    fc.property(
      fc.array(rule, { minLength: 1, maxLength: 12 }),
      maybe(somebody),
      fc.array(asking, { maxLength: 12 }),
      (rules, person, asks) => {
        const policy = policyOf({ rules, scopeHierarchy: { top: ['t1'] } })
        const who: Principal =
          person === undefined
            ? ANONYMOUS
            : with_({
                groups: new Set(person.groups),
                scopes: new Set(person.scopes),
                claims: person.c === undefined ? {} : { c: person.c },
              })
        for (const { backend, key, n } of asks) {
          const args: Args = n === undefined ? {} : { n }
          const asked = tool(backend, key)
          const expected = naively(rules, who, { backend, key, args })
          assert.equal(verdict(policy, who, asked, args), expected)
          const last = policy.explain({ principal: who, route: ALL }, { asked, args }).at(-1)
          assert.equal(`${last?.effect} by ${last?.rule}`, expected)
          const rights = policy.rightsOf(who, ALL)
          if (expected.startsWith('allow')) {
            assert.ok(rights.sees(asked) && rights.reaches(backend, 'tools') && policy.isReachable(asked))
          } else if (
            !who.anonymous &&
            !rules.some(({ effect, scopes }) => effect === 'deny' && scopes !== undefined)
          ) {
            // Whoever gets what they are told to ask for is let through.
            const scopes = rights.scopesFor(asked, call(args))
            const richer = with_({ ...who, scopes: new Set([...who.scopes, ...(scopes ?? [])]) })
            if (scopes !== undefined) assert.match(naively(rules, richer, { backend, key, args }), /^allow/)
          }
          const possible = [undefined, 0, 1, 2].some((m) =>
            naively(rules, who, { backend, key, args: m === undefined ? {} : { n: m } }).startsWith('allow'),
          )
          // Rules that exclude each other by their arguments are not seen through, so more may be listed, never less.
          if (possible || !rules.some(({ when }) => when?.includes('args')))
            assert.equal(rights.sees(asked), possible)
        }
      },
    ),
    { numRuns: 400 },
  )
})
