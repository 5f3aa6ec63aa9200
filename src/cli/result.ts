import { isDeepStrictEqual } from 'node:util'
import { parseValue } from '../protocol/value.ts'
import type { Io } from './io.ts'
import { printable } from './text.ts'

type Values = Readonly<Record<string, unknown>>

/**
 * The result of a tool for people: text as text, structured content as JSON, everything else named. What is there twice,
 * because the specification recommends to servers to repeat structured content as text, is printed once. A terminal gets
 * no control characters; a pipe gets the text as it is.
 */
export function renderResult(io: Io, result: Values): string {
  const structured = result['structuredContent']
  const content = Array.isArray(result['content']) ? (result['content'] as readonly unknown[]) : []
  const blocks = content.filter((block) => !repeats(block, structured)).map(renderBlock)
  if (structured !== undefined && !wraps(structured, content))
    blocks.push(JSON.stringify(structured, null, 2))
  const text = blocks.map((block) => (block.endsWith('\n') ? block : `${block}\n`)).join('')
  return io.stdout.isTTY ? printable(text) : text
}

function repeats(block: unknown, structured: unknown): boolean {
  if (structured === undefined || !isValues(block) || block['type'] !== 'text') return false
  try {
    return isDeepStrictEqual(parseValue(String(block['text'])), structured)
  } catch {
    return false
  }
}

/** True for structured content that is a single text, which is there as text content already. */
function wraps(structured: unknown, content: readonly unknown[]): boolean {
  const [only, ...more] = isValues(structured) ? Object.values(structured) : []
  if (typeof only !== 'string' || more.length > 0) return false
  return content.some((block) => isValues(block) && block['type'] === 'text' && block['text'] === only)
}

function renderBlock(block: unknown): string {
  if (!isValues(block)) return JSON.stringify(block)
  const { type, text, mimeType, data, uri, name, resource } = block
  if (type === 'text' && typeof text === 'string') return text
  if ((type === 'image' || type === 'audio') && typeof data === 'string') {
    return `[${type} ${String(mimeType)}, ${Buffer.from(data, 'base64').length} bytes]`
  }
  if (type === 'resource_link') return `[resource ${String(name)}: ${String(uri)}]`
  if (type === 'resource' && isValues(resource)) {
    if (typeof resource['text'] === 'string') return resource['text']
    return `[resource ${String(resource['uri'])}]`
  }
  return JSON.stringify(block)
}

function isValues(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
