import type { RestToolConfig } from '../../../config/types.ts'
import type { Log } from '../../../pipeline/log.ts'
import { editMembers, splice } from '../../../protocol/edit.ts'
import { type JsonNode, member, rawOf, scanJson, stringOf } from '../../../protocol/json.ts'
import { pathSegment } from '../../../protocol/path-segment.ts'
import { ChannelError } from '../../channel.ts'

/** The definitions of declared tools, as raw JSON. */
export function declaredTools(tools: readonly RestToolConfig[]): readonly string[] {
  return tools.map((tool) => JSON.stringify(tool))
}

/** A definition of a list: raw JSON, or why it is left out. */
export type Discovered = { readonly definition: string } | { readonly problem: string }

/**
 * Reads what a service answers at `/tools`: a list of tools as MCP describes them, or an object with that list as `tools`.
 * A tool without `inputSchema` takes any object. What else is wrong with a definition is found where all lists are read.
 *
 * @param text valid JSON
 * @throws ChannelError for anything else
 */
export function readTools(text: string): readonly Discovered[] {
  const root = scanJson(text, { detail: 3, maxDepth: Infinity })
  if (member(root, 'nextCursor')?.kind === 'string')
    throw new ChannelError({
      kind: 'protocol',
      reason: 'lists its tools in pages, which /tools does not have',
    })
  const list = root.kind === 'array' ? root : member(root, 'tools')
  if (list?.kind !== 'array')
    throw new ChannelError({ kind: 'protocol', reason: 'answered without a list of tools' })
  return (list.items ?? []).map((item) => readTool(text, item))
}

function readTool(text: string, item: JsonNode): Discovered {
  if (item.kind !== 'object') return { problem: 'is no object' }
  const name = stringOf(text, member(item, 'name'))
  // What cannot be called is not listed.
  if (name === undefined || pathSegment(name) === undefined)
    return {
      problem: `has no name that can be part of a path: ${JSON.stringify(name ?? null).slice(0, 100)}`,
    }
  if (member(item, 'inputSchema') !== undefined) return { definition: rawOf(text, item) }
  const raw = rawOf(text, item)
  const root = scanJson(raw, { detail: 1, maxDepth: Infinity })
  if (root.kind !== 'object') return { problem: 'is no object' }
  return { definition: splice(raw, editMembers(root, { inputSchema: '{"type":"object"}' })) }
}

/** Tells of definitions that are left out: once, not with every list. */
export function createComplaints(backend: string, log: Log): (problems: readonly string[]) => void {
  let last = ''
  return (problems) => {
    const all = problems.join('\n')
    if (all !== last && problems.length > 0) {
      const [problem] = problems
      log('warn', 'left out of the list', { backend, kind: 'tools', problem, count: problems.length })
    }
    last = all
  }
}
