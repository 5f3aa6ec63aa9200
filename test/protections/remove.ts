/** Loaded before a test: one source file is read as if a protection had never been written. The files stay as they are. */
import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'
import { type Protection, REMOVED } from './protection.ts'

const { file, find, replace } = JSON.parse(process.env[REMOVED] ?? '{}') as Protection
const target = pathToFileURL(file).href

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context)
    if (url !== target) return loaded
    const text = sourceOf(loaded.source)
    const [before, after, ...more] = text.split(find)
    if (before === undefined || after === undefined || more.length > 0)
      throw new Error(`“${find}” does not stand in ${file} exactly once`)
    return { ...loaded, source: before + replace + after }
  },
})

function sourceOf(source: string | ArrayBuffer | NodeJS.TypedArray | undefined): string {
  if (source === undefined) throw new Error(`${file} has no source`)
  return typeof source === 'string' ? source : new TextDecoder().decode(source)
}
