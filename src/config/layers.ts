import { readClientFile, serversMember } from './client-file.ts'
import { ENVIRONMENT_NAME, readOverlay } from './environments.ts'
import type { Layer } from './merge.ts'
import type { ConfigPath, ConfigProblem, Finding } from './problem.ts'
import { type ConfigSource, type SourceTree, readSource } from './source.ts'
import { isMapping } from './tree.ts'

/** A file of a configuration, taken apart. */
export interface FileLayers {
  /** What holds in every environment; undefined for a file without anything in it. */
  readonly base: Layer | undefined
  /** What the file lays over that, by environment. */
  readonly overlays: ReadonlyMap<string, Layer>
  /** Why it cannot be read at all. */
  readonly problems: readonly ConfigProblem[]
  readonly warnings: readonly ConfigProblem[]
}

const EMPTY: FileLayers = { base: undefined, overlays: new Map(), problems: [], warnings: [] }

/**
 * Reads a file, in our form or in that of a desktop client, and takes its environments out of it.
 *
 * @param sections what a file of ours may have at its top
 */
export function readLayers(source: ConfigSource, sections: readonly string[]): FileLayers {
  const tree = readSource(source)
  const located = (findings: readonly Finding[]): readonly ConfigProblem[] =>
    findings.map((finding) => tree.locate(finding))
  const { value: root, findings } = tree
  if (root === undefined) return { ...EMPTY, problems: located(findings) }
  if (!isMapping(root)) {
    const message = 'expected a mapping (key: value) at the top; it needs at least backends'
    return { ...EMPTY, problems: located([...findings, { path: [], message }]) }
  }
  const member = serversMember(root)
  const client = member === undefined ? undefined : readClientFile(root, { member, sections })
  const { environments, ...value } = client?.value ?? root
  const read = readEnvironments(environments, { tree, dir: source.dir, sections })
  const base: Layer = {
    value,
    environment: undefined,
    dir: source.dir,
    problems: located([...findings, ...(client?.problems ?? []), ...read.problems]),
    locate: (finding) =>
      tree.locate({ ...finding, path: client?.originalPath(finding.path) ?? finding.path }),
  }
  return {
    base,
    overlays: read.overlays,
    problems: [],
    warnings: located(client?.warnings ?? []),
  }
}

interface Context {
  readonly tree: SourceTree
  readonly dir: string
  readonly sections: readonly string[]
}

function readEnvironments(
  found: unknown,
  { tree, dir, sections }: Context,
): { readonly overlays: ReadonlyMap<string, Layer>; readonly problems: readonly Finding[] } {
  const overlays = new Map<string, Layer>()
  const problems: Finding[] = []
  if (found === undefined || found === null) return { overlays, problems }
  if (!isMapping(found)) {
    const message = 'expected a mapping of environments by name, such as production: { backends: { … } }'
    return { overlays, problems: [{ path: ['environments'], message }] }
  }
  for (const [name, overlay] of Object.entries(found)) {
    const prefix: ConfigPath = ['environments', name]
    if (!ENVIRONMENT_NAME.test(name)) {
      const message =
        'expected a name of 1 to 64 letters, digits, _, - and ., starting with a letter or digit'
      problems.push({ path: prefix, at: 'key', message })
      continue
    }
    const { value, problems: own, originalPath } = readOverlay(overlay, sections)
    overlays.set(name, {
      value,
      environment: name,
      dir,
      problems: own.map((finding) => tree.locate({ ...finding, path: [...prefix, ...finding.path] })),
      locate: (finding) => tree.locate({ ...finding, path: [...prefix, ...originalPath(finding.path)] }),
    })
  }
  return { overlays, problems }
}
