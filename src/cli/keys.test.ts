import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parse } from 'yaml'
import { type Ran, run } from '../../test/cli/fake-io.ts'
import { apiKeyEntries } from '../config/api-keys-schema.ts'

const KEY = /^tg_[0-9a-f]{8}_[0-9A-Za-z]{43}\n$/

async function setUp(
  t: TestContext,
  config?: string,
): Promise<{
  readonly cwd: string
  readonly file: string
  readonly keys: (...args: readonly string[]) => Promise<Ran>
}> {
  const cwd = await mkdtemp(join(tmpdir(), 'toolgate-keys-'))
  t.after(() => rm(cwd, { recursive: true }))
  if (config !== undefined)
    await writeFile(join(cwd, 'toolgate.yaml'), `backends: { a: http://a }\n${config}`)
  const world = { cwd, env: { TOOLGATE_STATE_DIR: join(cwd, 'state') }, columns: 200 }
  return {
    cwd,
    file: join(cwd, 'state', 'api-keys.json'),
    keys: (...args) => run(world, 'keys', ...args),
  }
}

test('a key is shown once; only its hash is stored, for the owner alone', async (t) => {
  const { keys, file } = await setUp(t)
  const { code, stdout, stderr } = await keys(
    'create',
    'ci',
    '--scope',
    'a:b',
    '--group',
    'dev',
    '--tenant',
    'x',
  )
  assert.equal(code, 0)
  assert.match(stdout, KEY)
  assert.match(stderr, /It is shown only now/)
  const secret = stdout.trim().slice(12)
  const text = await readFile(file, 'utf8')
  assert.ok(!`${stderr}${text}`.includes(secret))
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  const { stdout: list } = await keys('list')
  assert.match(list, /^NAME +ID +CREATED +EXPIRES +TENANT +IN +SCOPES AND GROUPS\n/)
  assert.match(
    list,
    new RegExp(`\nci +${stdout.slice(3, 11)} +[-\\d]{10} +[-\\d]{10} +x +file +a:b, group dev\n$`),
  )
})

test('keys expire in 90 days unless something else is said', async (t) => {
  const { keys } = await setUp(t)
  const soon = await keys('create', 'soon', '--expires', '0m')
  assert.equal(soon.code, 0)
  await keys('create', 'usual')
  await keys('create', 'fixed', '--expires', '2100-01-31T12:00:00+02:00')
  await keys('create', 'ever', '--expires', 'never')
  const { keys: list } = JSON.parse((await keys('list', '--json')).stdout) as {
    readonly keys: readonly { name: string; created: string; expires?: string; expired: boolean }[]
  }
  const by = new Map(list.map((key) => [key.name, key]))
  assert.deepEqual(
    list.map(({ name, expired }) => [name, expired]),
    [
      ['ever', false],
      ['fixed', false],
      ['soon', true],
      ['usual', false],
    ],
  )
  assert.equal(by.get('ever')?.expires, undefined)
  assert.equal(by.get('fixed')?.expires, '2100-01-31T10:00:00.000Z')
  const days =
    (Date.parse(by.get('usual')?.expires ?? '') - Date.parse(by.get('usual')?.created ?? '')) / 86_400_000
  assert.ok(Math.abs(days - 90) < 0.01)
  assert.match((await keys('list')).stdout, /soon .*expired/)
})

test('a key is revoked by its name, its id or itself', async (t) => {
  const { keys } = await setUp(t)
  const ids: string[] = []
  for (const name of ['a', 'b', 'c', 'd']) ids.push((await keys('create', name)).stdout.trim())
  const [, b = '', c = ''] = ids
  assert.match((await keys('revoke', 'a')).stderr, /^Revoked a \([0-9a-f]{8}\)/)
  assert.match((await keys('revoke', b.slice(3, 11))).stderr, /^Revoked b /)
  const itself = await keys('revoke', c, '--json')
  assert.equal((JSON.parse(itself.stdout) as { revoked: { name: string } }).revoked.name, 'c')
  assert.ok(!itself.stdout.includes(c.slice(12)))
  const again = await keys('revoke', c)
  assert.deepEqual([again.code, again.stdout], [1, ''])
  assert.match(
    again.stderr,
    /there is no such key in state\/api-keys\.json\nSee them all: toolgate keys list/,
  )
  assert.ok(!again.stderr.includes(c.slice(12)))
  assert.match((await keys('list')).stdout, /^NAME.*\nd [^\n]*\n$/)
})

test('for a configuration under version control, the entry is printed and nothing is stored', async (t) => {
  const { keys, cwd } = await setUp(t, 'auth: { apiKeys: {} }')
  const { stdout, stderr } = await keys('create', 'ci', '--inline', '--scope', 'x')
  assert.match(stdout, KEY)
  const yaml = stderr.slice(stderr.indexOf('- name'), stderr.indexOf('This is the key'))
  const [entry] = apiKeyEntries.parse(parse(yaml))
  assert.deepEqual([entry?.name, entry?.scopes], ['ci', ['x']])
  assert.match((await keys('list')).stderr, /There are no API keys/)
  const entries = JSON.stringify(parse(yaml))
  await writeFile(
    join(cwd, 'toolgate.yaml'),
    `backends: { a: http://a }\nauth: { apiKeys: { keys: ${entries} } }`,
  )
  assert.match((await keys('list')).stdout, /\nci .* config +x\n$/)
  assert.match((await keys('create', 'ci')).stderr, /there is a key named ci already/)
  const { code, stderr: refusal } = await keys('revoke', 'ci')
  assert.equal(code, 1)
  assert.match(refusal, /Remove its entry from auth\.apiKeys\.keys in toolgate\.yaml/)
})

test('the file is that of the configuration, or the one named', async (t) => {
  const { keys, cwd } = await setUp(t, 'auth: { apiKeys: { file: own/keys.json } }')
  assert.equal((await keys('create', 'a')).code, 0)
  assert.match(await readFile(join(cwd, 'own', 'keys.json'), 'utf8'), /"name": "a"/)
  await keys('create', 'b', '--file', 'other.json')
  assert.match(await readFile(join(cwd, 'other.json'), 'utf8'), /"name": "b"/)
})

test('one is told when no gateway would take the key', async (t) => {
  const { keys } = await setUp(t, 'log: { level: info }')
  assert.match(
    (await keys('create', 'a')).stderr,
    /toolgate\.yaml takes no API keys: add auth: \{ apiKeys: \{\} \}/,
  )
})

test('what is wrong is said, and changes nothing', async (t) => {
  const { keys, file, cwd } = await setUp(t)
  const fails = async (message: RegExp, ...args: readonly string[]): Promise<void> => {
    const { code, stdout, stderr } = await keys(...args)
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, message)
  }
  await fails(/the name: expected 1 to 64 letters.*found "a b"/, 'create', 'a b')
  await fails(/--scope: expected a scope/, 'create', 'a', '--scope', 'a b')
  await fails(/--group: expected a name/, 'create', 'a', '--group', '\u001b[1m')
  await fails(/--tenant: expected a name/, 'create', 'a', '--tenant', '')
  await fails(/--expires: expected a time such as 90d/, 'create', 'a', '--expires', '90')
  await fails(/--expires: 2020-01-01 is past/, 'create', 'a', '--expires', '2020-01-01')
  await keys('create', 'a')
  await fails(/there is a key named a already\nTake another name, or revoke/, 'create', 'a')
  await writeFile(`${file}.new`, '')
  await fails(
    /another command is changing state\/api-keys\.json\n.*remove state\/api-keys\.json\.new/,
    'revoke',
    'a',
  )
  await rm(`${file}.new`)
  await writeFile(file, 'hunter2')
  await fails(/state\/api-keys\.json: is not JSON/, 'list')
  await fails(/state\/api-keys\.json: is not JSON/, 'create', 'b')
  assert.equal(await readFile(file, 'utf8'), 'hunter2')
  await writeFile(join(cwd, 'toolgate.yaml'), 'backends: 5')
  await fails(/name their file with --file/, 'list')
})

test('sealing keys are rotated in the state folder, and kept for a while', async (t) => {
  const { keys, cwd } = await setUp(t)
  const path = join(cwd, 'state', 'sealing-keys')
  const lines = async (): Promise<readonly string[]> => (await readFile(path, 'utf8')).trim().split('\n')
  assert.match(
    (await keys('rotate-sealing')).stderr,
    /^Rotated state\/sealing-keys\. There was none before\./,
  )
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  const [first = ''] = await lines()
  assert.match(first, /^[\w-]{43}$/)
  for (const _ of [1, 2, 3]) assert.equal((await keys('rotate-sealing')).code, 0)
  assert.equal((await lines()).at(-1), first)
  const { stderr } = await keys('rotate-sealing')
  assert.match(stderr, /What the last 3 sealed stays good/)
  const kept = await lines()
  assert.equal(kept.length, 4)
  assert.ok(!kept.includes(first))
  assert.ok(!kept.some((key) => stderr.includes(key)))
  await writeFile(path, 'hunter2')
  const broken = await keys('rotate-sealing')
  assert.deepEqual([broken.code, broken.stdout], [1, ''])
  assert.match(broken.stderr, /state\/sealing-keys holds something else than sealing keys/)
  assert.equal(await readFile(path, 'utf8'), 'hunter2')
})

test('sealing keys of the configuration are not touched', async (t) => {
  const key = randomBytes(32).toString('base64url')
  const { keys } = await setUp(t, `gateway: { sealing: { keys: [${key}] } }`)
  const { code, stderr } = await keys('rotate-sealing')
  assert.equal(code, 1)
  assert.match(
    stderr,
    /stand in the configuration, toolgate\.yaml, which is yours to edit\nPut a new key last/,
  )
  assert.ok(!stderr.includes(key))
})

test('a key can require signatures: the file says with what, and lists show no key', async (t) => {
  const { keys, file, cwd } = await setUp(t)
  const { publicKey, privateKey } = generateKeyPairSync('ed25519', {
    publicKeyEncoding: { format: 'pem', type: 'spki' },
    privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
  })
  const secret = 'a secret of a caller and of the gateway'
  await writeFile(join(cwd, 'ci.pub.pem'), publicKey)
  await writeFile(join(cwd, 'ci.pem'), privateKey)
  await writeFile(join(cwd, 'robot.secret'), `${secret}\n`)
  const made = await keys('create', 'ci', '--signature-key', 'ci.pub.pem')
  assert.equal(made.code, 0, made.stderr)
  const robot = await keys('create', 'robot', '--json', '--signature-key', 'robot.secret')
  assert.ok(!robot.stdout.includes(secret))
  const stored = JSON.parse(await readFile(file, 'utf8')) as { readonly keys: unknown }
  const [ci, other] = apiKeyEntries.parse(stored.keys)
  assert.deepEqual(
    ci?.signature?.keys.map(({ key }) => key.asymmetricKeyType),
    ['ed25519'],
  )
  assert.equal(other?.signature?.keys[0]?.key.export().toString(), secret)
  const list = await keys('list', '--json')
  assert.ok(!list.stdout.includes(secret))
  assert.match(list.stdout, /"signature": \{\s+"form": "rfc9421",\s+"keyIds": \[\s+"ci"/)
  assert.match((await keys('list')).stdout, /^ci .* signed requests only$/m)
  const inline = await keys('create', 'inline', '--inline', '--signature-key', 'ci.pub.pem')
  assert.match(inline.stderr, /BEGIN PUBLIC KEY/)
  for (const [path, reason] of [
    ['ci.pem', /expected a public key \(Ed25519 or P-256\) in PEM, or a secret of at least 32 bytes/],
    ['nowhere', /no such file/],
  ] as const) {
    const refused = await keys('create', 'x', '--signature-key', path)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, reason)
  }
  const leaking = await keys('create', 'x', '--inline', '--signature-key', 'robot.secret')
  assert.match(leaking.stderr, /a secret does not belong into a configuration/)
})
