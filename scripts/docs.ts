/** `npm run docs`: brings the tables of settings in `docs/` up to date. */
import { writeFile } from 'node:fs/promises'
import { currentPages } from './docs-pages.ts'

for (const { path, name, text, expected } of await currentPages()) {
  if (text === expected) continue
  await writeFile(path, expected)
  console.log(`wrote docs/${name}`)
}
