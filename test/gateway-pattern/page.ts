/** docs/gateway-pattern.md, as its readers use it: its examples are saved as files, and started. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ClientAbilities, type TestClient, connectClient } from '../language/client.ts'
import { type GatewayProcess, type Site, gatewayProcess, toolgate } from '../language/process.ts'
import type { Scope } from '../language/scope.ts'

const PAGE = await readFile(new URL('../../docs/gateway-pattern.md', import.meta.url), 'utf8')

/** The headings of the page in order, with their level, as they are written. */
export const pageHeadings: readonly string[] = PAGE.replaceAll(/```.*?```/gs, '').match(/^#+ .+$/gm) ?? []

const EXAMPLES: ReadonlyMap<string, string> = new Map(
  [...PAGE.matchAll(/<!-- example: (\S+) -->\n+```\w+\n(.*?)```/gs)].map(([, name = '', text = '']) => [
    name,
    text,
  ]),
)

/** Names of the examples on the page. */
export const exampleNames: readonly string[] = [...EXAMPLES.keys()]

/** Names of those that are configurations. */
export const configurationNames: readonly string[] = [
  ...PAGE.matchAll(/<!-- example: (\S+) -->\n+```yaml\n/g),
].map(([, name = '']) => name)

/** Commands of `toolgate` that the page tells to type, without the comments behind them. */
export const pageCommands: readonly string[] = [
  ...PAGE.matchAll(/^[A-Z_=a-z ]*npm run toolgate -- (.*?)(?: +#.*)?$/gm),
].map(([, command = '']) => command)

/** Addresses on the page, and those of the servers of a test. */
export type Addresses = Readonly<Record<string, string>>

/**
 * An example of the page, with other addresses in it and not a character changed beside them.
 *
 * @throws AssertionError for what is no address, and for one that the example does not have
 */
export function example(name: string, addresses: Addresses = {}): string {
  const text = EXAMPLES.get(name) ?? assert.fail(`the page has no example ${name}`)
  return Object.entries(addresses).reduce((changed, [old, now]) => {
    for (const one of [old, now]) assert.ok(URL.canParse(one), one)
    // The end of an address: `http://localhost:8001` is not the beginning of `http://localhost:8001/mcp`.
    const place = new RegExp(`${RegExp.escape(old)}(?![\\w/.-])`, 'g')
    assert.match(changed, place, `the example ${name} has no ${old}`)
    return changed.replaceAll(place, now)
  }, text)
}

/** An example as a file, and what is run on it. */
export interface Saved extends Site {
  readonly folder: string
  /** Runs a command of `toolgate` on the example. */
  readonly run: (...args: readonly string[]) => ReturnType<typeof toolgate>
  /** Makes an API key by `toolgate keys create`, and yields the header that carries it. */
  readonly key: (name: string) => Promise<{ readonly authorization: string }>
}

/** What there is beside an example. */
export interface Saving {
  readonly addresses?: Addresses
  /** Environment variables of the gateway, beside those of the tests. */
  readonly env?: Readonly<Record<string, string>>
}

/**
 * Saves an example as `toolgate.yaml` in a folder of its own. Beside it stands a file that is laid over it, and says
 * nothing but which ports are free.
 */
export async function saved(scope: Scope, name: string, { addresses, env }: Saving = {}): Promise<Saved> {
  const folder = await mkdtemp(join(tmpdir(), 'toolgate-pattern-'))
  scope.after(async () => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'toolgate.yaml')
  await writeFile(file, example(name, addresses))
  const ports = join(folder, 'ports.yaml')
  await writeFile(ports, 'gateway: { listen: 127.0.0.1:0 }\nadmin: { listen: 127.0.0.1:0 }\n')
  const { TOOLGATE_ENV: _, ENVIRONMENT: __, ...inherited } = process.env
  const all = { ...inherited, NO_COLOR: '1', TOOLGATE_STATE_DIR: join(folder, 'state'), ...env }
  const where: Site = {
    file,
    args: ['-c', ports],
    env: Object.fromEntries(
      Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ),
  }
  const run: Saved['run'] = async (...args) => toolgate(where, ...args)
  return {
    ...where,
    folder,
    run,
    async key(owner) {
      const { code, stdout, stderr } = await run('keys', 'create', owner, '-c', file)
      assert.equal(code, 0, stderr)
      return { authorization: `Bearer ${stdout.trim()}` }
    },
  }
}

/** An example that is served by `toolgate serve`. */
export interface Served extends Saved {
  readonly serving: GatewayProcess
  /** An official client that finds out by itself which era to speak. */
  readonly client: (abilities?: ClientAbilities) => Promise<TestClient>
  /** Names of the tools of backends that a client sees, in alphabetical order. */
  readonly tools: (client: TestClient) => Promise<readonly string[]>
}

/** Starts the gateway on what was saved; it ends with the scope. */
export async function served(scope: Scope, what: Saved): Promise<Served> {
  const serving = await gatewayProcess(what)
  scope.after(async () => serving[Symbol.asyncDispose]())
  return {
    ...what,
    serving,
    async client(abilities) {
      const client = await connectClient('auto', { url: serving.url }, abilities)
      scope.after(async () => client.close())
      return client
    },
    tools: async (client) => {
      const names = (await client.tools()).map(({ name }) => name)
      return names.filter((name) => !name.startsWith('gateway_')).toSorted()
    },
  }
}

/** {@link saved} and {@link served} in one. */
export const serve = async (scope: Scope, name: string, saving?: Saving): Promise<Served> =>
  served(scope, await saved(scope, name, saving))
