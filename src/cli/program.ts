import { Command, CommanderError, Option } from 'commander'
import { parseDuration } from '../config/units.ts'
import { callCommand } from './call.ts'
import { canCommand } from './can.ts'
import { checkCommand } from './check.ts'
import { CLIENTS } from './client-files.ts'
import { importCommand } from './import.ts'
import { orderCommand } from './isolate.ts'
import { CliError, type Io } from './io.ts'
import { addKeys } from './keys-program.ts'
import type { CallOptions, CanOptions, GatewayOptions, ImportOptions, StatusOptions } from './options.ts'
import { pinCommand } from './pin.ts'
import { type Raw, type Run, collect, configOf, withConfig } from './program-options.ts'
import { schemaCommand } from './schema.ts'
import { serveCommand } from './serve.ts'
import { statusCommand } from './status.ts'
import { stdioCommand } from './stdio.ts'
import { paint } from './text.ts'
import { toolsCommand } from './tools.ts'

/** Exit code after Ctrl-C, as shells have it: 128 + SIGINT. */
const INTERRUPTED = 130

/**
 * Runs the command line.
 *
 * @param args without the program's own name
 * @returns the exit code: 0 done, 1 failed, 130 interrupted
 */
export async function runProgram(io: Io, args: readonly string[]): Promise<number> {
  const run: Run = { io, code: 0 }
  try {
    // Without a command there is nothing to do but to say what there is.
    await createProgram(run).parseAsync(args.length === 0 ? ['--help'] : args, { from: 'user' })
    return run.code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode
    if (!(error instanceof CliError)) throw error
    if (io.signal.aborted) return INTERRUPTED
    io.stderr.write(`${paint(io.stderr, 'red', 'toolgate:')} ${error.message}\n`)
    if (error.hint !== undefined) io.stderr.write(`${error.hint}\n`)
    return 1
  }
}

function createProgram(run: Run): Command {
  const { io } = run
  const program = new Command('toolgate')
    .description('An MCP gateway: one entry point in front of many MCP servers.')
    .version(io.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHelpWidth: () => io.stdout.columns,
      getErrHelpWidth: () => io.stderr.columns,
      getOutHasColors: () => io.stdout.color,
      getErrHasColors: () => io.stderr.color,
    })
    .showSuggestionAfterError()
    .addHelpText('after', EXAMPLES)
  addRunning(program, run)
  addConfiguration(program, run)
  addPin(program, run)
  addAsking(program, run)
  addCan(program, run)
  addKeys(program, run)
  return program
}

const EXAMPLES = `
Examples:
  toolgate import -o toolgate.yaml            take over the servers you use already
  toolgate check                              see what the configuration would do
  toolgate serve                              run the gateway
  toolgate call github_list_repos --arg org=acme`

const FILES_HELP = 'configuration files, as with -c'

function addRunning(program: Command, run: Run): void {
  withConfig(program.command('serve'))
    .summary('run the gateway')
    .description('Runs the gateway until Ctrl-C or SIGTERM, then lets calls in flight finish.')
    .argument('[config...]', FILES_HELP)
    .option('--json', 'print events as JSON lines')
    .action(async (files: readonly string[], raw: Raw) => {
      run.code = await serveCommand(run.io, { ...configOf(raw, files), json: raw.json === true })
    })
  withConfig(program.command('stdio'))
    .summary('run the gateway as a stdio server')
    .description(
      'Runs the gateway as an MCP server on standard input and output, for desktop clients. Logs go to stderr.',
    )
    .argument('[config...]', FILES_HELP)
    .action(async (files: readonly string[], raw: Raw) => {
      run.code = await stdioCommand(run.io, configOf(raw, files))
    })
}

interface RawPin extends Raw {
  readonly yes?: boolean
  readonly check?: boolean
}

function addPin(program: Command, run: Run): void {
  withConfig(program.command('pin'))
    .summary('approve the definitions of tools and prompts')
    .description(
      'Asks the backends for their tools and prompts, shows what differs from the approved definitions (tools.lock), and ' +
        'approves it. A running gateway takes the file over by itself.',
    )
    .argument('[backends...]', 'only these backends')
    .option('--yes', 'approve without asking')
    .option('--check', 'write nothing; exit code 1 if anything differs')
    .option('--json', 'print JSON')
    .action(async (backends: readonly string[], raw: RawPin) => {
      const { yes, check, json } = raw
      if (yes === true && check === true) throw new CliError('either --yes or --check, not both')
      const flags = { yes: yes === true, check: check === true, json: json === true }
      run.code = await pinCommand(run.io, { ...configOf(raw), backends, ...flags })
    })
}

interface RawImport {
  readonly from?: string
  readonly output?: string
  readonly force?: boolean
  readonly dryRun?: boolean
}

interface RawCheck extends Raw {
  readonly connect?: boolean
  readonly explain?: string
}

function addConfiguration(program: Command, run: Run): void {
  withConfig(program.command('check'))
    .summary('validate the configuration')
    .description(
      'Validates the configuration and says what it would do, without doing it. Exit code 1 if it is not valid. ' +
        'Without --env, every environment has to be valid.',
    )
    .argument('[config...]', FILES_HELP)
    .option('--explain <path>', 'say where values come from, such as those below backends.github; . for all')
    .option('--connect', 'connect to the backends too, and say which of their tools nobody may call')
    .option('--json', 'print JSON')
    .action(async (files: readonly string[], raw: RawCheck) => {
      const { json = false, connect = false, explain } = raw
      run.code = await checkCommand(run.io, { ...configOf(raw, files), json, connect, explain })
    })
  program
    .command('schema')
    .summary('print the JSON Schema of the configuration')
    .description('Prints the JSON Schema (2020-12) of the configuration file, for editors.')
    .option('--overlay', 'of a file that is laid over others: settings may be left out, null removes')
    .action(({ overlay = false }: { readonly overlay?: boolean }) => {
      run.code = schemaCommand(run.io, { overlay })
    })
  program
    .command('import')
    .summary("write a configuration from desktop clients' files")
    .description(
      'Reads the MCP servers that desktop clients use and writes a configuration of ours. Secrets become references to ' +
        'environment variables; they are never printed or written.',
    )
    .argument('[file]', "a client's file, instead of all that are found")
    .option('--from <client>', `only this client: ${CLIENTS.map(({ id }) => id).join(', ')}`)
    .option('-o, --output <file>', 'where to write (default: standard output)')
    .option('--force', 'overwrite the output file')
    .option('--dry-run', 'print what would be written')
    .action(async (file: string | undefined, raw: RawImport) => {
      run.code = await importCommand(run.io, importOptions(file, raw))
    })
}

function importOptions(file: string | undefined, { from, output, force, dryRun }: RawImport): ImportOptions {
  if (file !== undefined && from !== undefined)
    throw new CliError('name either a file or a client (--from), not both')
  return { file, from, output, force: force === true, dryRun: dryRun === true }
}

function gatewayOptions(raw: Raw): GatewayOptions {
  const { config, env, url, json } = raw
  if ((config !== undefined || env !== undefined) && url !== undefined)
    throw new CliError('name either a configuration (-c, --env) or a --url, not both')
  return { ...configOf(raw), url, json: json === true }
}

interface RawCall extends Raw {
  readonly arg: readonly string[]
  readonly argsJson?: string
}

function callOptions(raw: RawCall): CallOptions {
  return { ...gatewayOptions(raw), arg: raw.arg, argsJson: raw.argsJson }
}

interface RawStatus extends Raw {
  readonly watch?: boolean
  readonly interval?: string
}

/** Milliseconds between two looks, and the least. */
const WATCH = 2000
const FASTEST = 100

function statusOptions(raw: RawStatus): StatusOptions {
  const { watch = false, interval } = raw
  if (interval !== undefined && !watch) throw new CliError('--interval needs --watch')
  const every = interval === undefined ? { value: WATCH } : parseDuration(interval, FASTEST)
  if (!('value' in every)) throw new CliError(`--interval: ${every.expected}`)
  return { ...gatewayOptions(raw), watch: watch ? every.value : undefined }
}

function addAsking(program: Command, run: Run): void {
  const asking = (name: string): Command =>
    withConfig(
      program.command(name).option('--url <url>', 'URL of the gateway (default: the one that runs here)'),
      'ask the gateway with this configuration; repeat as it was started',
    ).option('--json', 'print JSON')
  asking('tools')
    .summary('list the tools that clients see')
    .description(
      'Lists the tools that a client of the gateway sees, with their arguments; [optional] ones in brackets.',
    )
    .action(async (raw: Raw) => {
      run.code = await toolsCommand(run.io, gatewayOptions(raw))
    })
  asking('call')
    .summary('call a tool')
    .description(
      'Calls a tool and prints its result; progress goes to stderr. Exit code 1 if the tool fails.',
    )
    .argument('<tool>', 'name of the tool, as `toolgate tools` lists it')
    .option('--arg <name=value>', 'an argument, typed by the tool; repeat for more', collect, [])
    .option('--args-json <json>', 'all arguments as one JSON object')
    .action(async (tool: string, raw: RawCall) => {
      run.code = await callCommand(run.io, tool, callOptions(raw))
    })
  asking('status')
    .summary('show how the gateway and its backends are')
    .description(
      'Asks a gateway that runs on this machine how its backends are, how many calls there were in the last minute, how ' +
        'they went, and what is open.',
    )
    .option('--watch', 'show it again and again, until Ctrl-C; with --json one line each time')
    .option('--interval <duration>', 'time between two looks, with --watch (default: 2s)')
    .action(async (raw: RawStatus) => {
      run.code = await statusCommand(run.io, statusOptions(raw))
    })
  const ordering = (order: 'isolate' | 'restore', summary: string, description: string): void =>
    void asking(order)
      .summary(summary)
      .description(description)
      .argument('<backend>', 'name of the backend')
      .action(async (backend: string, raw: Raw) => {
        run.code = await orderCommand(run.io, { order, backend }, gatewayOptions(raw))
      })
  ordering(
    'isolate',
    'keep calls from a backend',
    'Lets no call to a backend pass, until it is restored or the gateway ends. Calls under way may finish.',
  )
  ordering(
    'restore',
    'let calls to a backend pass again',
    'Ends the isolation of a backend, and closes its circuit.',
  )
}

interface RawCan extends Raw {
  readonly kind: CanOptions['kind']
  readonly backend?: string
  readonly route?: string
  readonly scope: readonly string[]
  readonly group: readonly string[]
  readonly tenant?: string
  readonly client?: string
  readonly issuer?: string
  readonly claims?: string
  readonly annotation: readonly string[]
  readonly arg: readonly string[]
  readonly argsJson?: string
}

function addCan(program: Command, run: Run): void {
  withConfig(program.command('can'))
    .summary('explain what the rules decide about a call')
    .description(
      'Says whether somebody may call a tool, and what each rule says to it. Exit code 1 if not. Nothing is called.',
    )
    .argument('<principal>', 'a subject, anonymous, or JSON such as {"subject":"alice","groups":["dev"]}')
    .argument('<tool>', 'as rules write it: <backend>_<tool> or <backend>/<tool>')
    .addOption(
      new Option('--kind <kind>', 'what it is').choices(['tool', 'prompt', 'resource']).default('tool'),
    )
    .option('--backend <name>', 'the backend of a resource')
    .option('--route <path>', 'how the gateway is addressed (default: /mcp)')
    .option('--scope <scope>', 'a scope of the principal; repeat for more', collect, [])
    .option('--group <group>', 'a group of the principal; repeat for more', collect, [])
    .option('--tenant <tenant>', 'its tenant')
    .option('--client <id>', 'its client id')
    .option('--issuer <issuer>', 'its issuer')
    .option('--claims <json>', 'its claims')
    .option('--annotation <name=true>', 'what the tool says of itself; repeat for more', collect, [])
    .option('--arg <name=value>', 'an argument of the call; repeat for more', collect, [])
    .option('--args-json <json>', 'all arguments as one JSON object')
    .option('--json', 'print JSON')
    .action(async (principal: string, thing: string, raw: RawCan) => {
      run.code = await canCommand(run.io, canOptions(principal, thing, raw))
    })
}

function canOptions(principal: string, thing: string, raw: RawCan): CanOptions {
  const { scope: scopes, group: groups, annotation: annotations, json = false, ...rest } = raw
  const { backend, route, tenant, client, issuer, claims, argsJson } = rest
  const who = { principal, scopes, groups, tenant, client, issuer, claims }
  return {
    ...who,
    thing,
    kind: rest.kind,
    backend,
    route,
    annotations,
    arg: rest.arg,
    argsJson,
    ...configOf(raw),
    json,
  }
}
