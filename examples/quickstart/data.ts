import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { devNull } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'

/** Where the data of the three servers is. */
export interface Data {
  /** Folder of organisations, each a folder of git repositories. */
  readonly github: string
  /** A SQLite file. */
  readonly database: string
  /** A folder of files. */
  readonly storage: string
}

const seed = join(import.meta.dirname, 'seed')

/**
 * Creates in `folder` what is missing of the example's data, offline, from the sources in `seed/`. What exists is
 * left alone. Each part appears complete or not at all, so an interrupted first start does no harm.
 */
export const createData = async (folder: string): Promise<Data> => {
  await mkdir(folder, { recursive: true })
  return {
    github: await createOnce(join(folder, 'github'), createRepositories),
    database: await createOnce(join(folder, 'shop.sqlite'), createDatabase),
    storage: await createOnce(join(folder, 'storage'), async (path) =>
      cp(join(seed, 'storage'), path, { recursive: true }),
    ),
  }
}

const createOnce = async (path: string, create: (path: string) => Promise<void>): Promise<string> => {
  if (await exists(path)) return path
  const scratch = await mkdtemp(`${path}.`)
  try {
    await create(join(scratch, 'new'))
    await rename(join(scratch, 'new'), path)
  } catch (error) {
    // Another start may have been faster: then its data is as good as ours.
    if (!(await exists(path))) throw error
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  return path
}

const createDatabase = async (path: string): Promise<void> => {
  const sql = await readFile(join(seed, 'database.sql'), 'utf8')
  const database = new DatabaseSync(path)
  try {
    database.exec(`BEGIN; ${sql}; COMMIT`)
  } finally {
    database.close()
  }
}

const createRepositories = async (path: string): Promise<void> => {
  await cp(join(seed, 'github'), path, { recursive: true })
  for (const org of await readdir(path)) {
    for (const name of await readdir(join(path, org))) await createRepository(join(path, org, name))
  }
}

/** Makes a folder a git repository with one commit; without a `git` command, an empty one with the files beside it. */
const createRepository = async (folder: string): Promise<void> => {
  try {
    await git(folder, 'init', '--quiet')
    await git(folder, 'symbolic-ref', 'HEAD', 'refs/heads/main')
    await git(folder, 'add', '--all')
    await git(folder, 'commit', '--quiet', '--message', 'Add the first version')
  } catch {
    // What `git init` writes, as gitrepository-layout(5) requires it: HEAD, objects and refs.
    const gitFolder = join(folder, '.git')
    await rm(gitFolder, { recursive: true, force: true })
    await mkdir(join(gitFolder, 'objects'), { recursive: true })
    await mkdir(join(gitFolder, 'refs'))
    await writeFile(join(gitFolder, 'HEAD'), 'ref: refs/heads/main\n')
  }
}

const run = promisify(execFile)

const git = async (cwd: string, ...args: readonly string[]): Promise<void> => {
  // An environment of its own: inside a git hook, GIT_DIR would point to another repository, and the user's
  // configuration (hooks, signing, templates) has no business here.
  const author = { GIT_AUTHOR_NAME: 'Quickstart', GIT_AUTHOR_EMAIL: 'quickstart@example.com' }
  const committer = { GIT_COMMITTER_NAME: 'Quickstart', GIT_COMMITTER_EMAIL: 'quickstart@example.com' }
  const dates = { GIT_AUTHOR_DATE: '2026-07-28T12:00:00Z', GIT_COMMITTER_DATE: '2026-07-28T12:00:00Z' }
  const isolated = {
    PATH: process.env['PATH'],
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: devNull,
    HOME: cwd,
  }
  await run('git', args, { cwd, timeout: 10_000, env: { ...isolated, ...author, ...committer, ...dates } })
}

const exists = async (path: string): Promise<boolean> => {
  try {
    await stat(path)
    return true
  } catch {
    return false
  }
}
