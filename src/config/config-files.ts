import { dirname, join } from 'node:path'
import type { ConfigProblem } from './problem.ts'
import type { ConfigSource } from './source.ts'

/** How files are read. */
export interface FilePorts {
  /**
   * Reads a file as text.
   *
   * @throws Error that says why it cannot be read; with the code `EISDIR` for a folder
   */
  readonly readFile: (path: string) => Promise<string>
  /**
   * Names in a folder; left out, folders are not read.
   *
   * @throws Error that says why it cannot be read
   */
  readonly listFolder?: ((path: string) => Promise<readonly string[]>) | undefined
}

/** A file or folder that is named as a configuration. */
export interface NamedFile {
  /** How messages call it. */
  readonly name: string
  /** Absolute. */
  readonly path: string
}

/** The files of a configuration, and what is wrong with those that could not be read. */
export interface ReadFiles {
  /** Later ones are laid over earlier ones. */
  readonly sources: readonly ConfigSource[]
  readonly problems: readonly ConfigProblem[]
}

/** Most files of one configuration: more are rather the wrong folder. */
const MOST_FILES = 100

/** Files that a folder is read for. Hidden ones are those of editors and of mounts. */
const IN_FOLDER = /^[^.].*\.(yaml|yml|json)$/

/** Reads files in their order, and for a folder its `*.yaml`, `*.yml` and `*.json` in the order of their names. */
export async function readConfigFiles(named: readonly NamedFile[], ports: FilePorts): Promise<ReadFiles> {
  const sources: ConfigSource[] = []
  const problems: ConfigProblem[] = []
  for (const each of named) {
    const read = await readNamed(each, ports)
    sources.push(...read.sources)
    problems.push(...read.problems)
  }
  return { sources, problems }
}

async function readNamed(named: NamedFile, ports: FilePorts): Promise<ReadFiles> {
  const { listFolder } = ports
  try {
    return { sources: [await readOne(named, ports)], problems: [] }
  } catch (error) {
    if (codeOf(error) !== 'EISDIR' || listFolder === undefined) return failed(named, reason(error))
  }
  let names: readonly string[]
  try {
    names = (await listFolder(named.path)).filter((name) => IN_FOLDER.test(name))
  } catch (error) {
    return failed(named, reason(error))
  }
  if (names.length === 0) return failed(named, 'the folder holds no *.yaml, *.yml or *.json')
  if (names.length > MOST_FILES) return failed(named, `the folder holds more than ${MOST_FILES} files`)
  const files = names.toSorted((a, b) => (a < b ? -1 : 1))
  const within = files.map((name) => ({ name: join(named.name, name), path: join(named.path, name) }))
  return readConfigFiles(within, { readFile: ports.readFile })
}

async function readOne({ name, path }: NamedFile, { readFile }: FilePorts): Promise<ConfigSource> {
  return { name, text: await readFile(path), dir: dirname(path) }
}

function failed({ name }: NamedFile, why: string): ReadFiles {
  const problem = { file: name, line: 0, column: 0, path: '', message: `cannot be read: ${why}` }
  return { sources: [], problems: [problem] }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
}

function reason(error: unknown): string {
  return REASONS[codeOf(error) ?? ''] ?? (error instanceof Error ? error.message : String(error))
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
