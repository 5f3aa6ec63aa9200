/** The pages in `docs/` that have tables of settings, as they are and as they should be. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { tablesOf, withTables, type Place } from './settings-tables.ts'

const folder = fileURLToPath(new URL('../docs', import.meta.url))

/** A page of the documentation. */
export type Page = {
  readonly name: string
  readonly path: string
  readonly text: string
  /** With its tables up to date, and formatted. */
  readonly expected: string
}

/** Reads every page that has tables. */
export async function currentPages(): Promise<readonly Page[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.md')).toSorted()
  const pages = await Promise.all(
    names.map(async (name) => ({ name, text: await readFile(join(folder, name), 'utf8') })),
  )
  const places: readonly Place[] = pages.flatMap(({ name, text }) => tablesOf(name, text))
  const wanted = pages.filter(({ name }) => places.some(({ page }) => page === name))
  return Promise.all(
    wanted.map(async ({ name, text }) => {
      const path = join(folder, name)
      const options = { ...(await resolveConfig(path)), filepath: path }
      return { name, path, text, expected: await format(withTables(name, text, places), options) }
    }),
  )
}
