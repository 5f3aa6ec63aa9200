import { resolve } from 'node:path'
import { type Environment, type References, hasReference, interpolate } from './interpolate.ts'
import type { Merged } from './merge.ts'
import type { ConfigPath, Finding } from './problem.ts'
import { type SecretFile, readSecretFile } from './secret-file.ts'
import { isMapping } from './tree.ts'

/** A configuration with its references replaced. */
export interface Resolved {
  /** Mappings have no prototype. */
  readonly value: Readonly<Record<string, unknown>>
  readonly findings: readonly Finding[]
  /** Paths of what could not be had: what it would look like says nothing. */
  readonly unresolved: ReadonlySet<string>
  /** What the text at a path refers to, such as `NAME` or `file:/run/secrets/x`; empty for anything else. */
  readonly sourcesAt: (path: ConfigPath) => readonly string[]
}

/** Where references lead. */
export interface ReferencePorts {
  readonly env: Environment
  /**
   * False for an environment that is not the chosen one: its files are not read, and what is not to be had here is no
   * problem, because it may be there where that environment runs.
   */
  readonly isChosen: boolean
}

/** Characters of all files together, each time they are referred to. */
const MOST_FROM_FILES = 8 * 1024 * 1024

interface Walk {
  readonly merged: Merged
  readonly ports: ReferencePorts
  readonly findings: Finding[]
  readonly unresolved: Set<string>
  readonly sources: Map<string, readonly string[]>
  readonly files: Map<string, SecretFile>
  left: number
}

/** How {@link Resolved.unresolved} writes a path. */
export const pathKey = (path: ConfigPath): string => JSON.stringify(path)

/** Replaces the references in all texts of a configuration. Files are relative to the file that names them. */
export function resolveReferences(merged: Merged, ports: ReferencePorts): Resolved {
  const walk: Walk = {
    merged,
    ports,
    findings: [],
    unresolved: new Set(),
    sources: new Map(),
    files: new Map(),
    left: MOST_FROM_FILES,
  }
  const value = visit(walk, merged.value, [])
  return {
    value: isMapping(value) ? value : {},
    findings: walk.findings,
    unresolved: walk.unresolved,
    sourcesAt: (path) => walk.sources.get(pathKey(path)) ?? [],
  }
}

function visit(walk: Walk, value: unknown, path: ConfigPath): unknown {
  if (typeof value === 'string') return hasReference(value) ? replaced(walk, value, path) : value
  if (Array.isArray(value)) return value.map((item: unknown, index) => visit(walk, item, [...path, index]))
  if (!isMapping(value)) return value
  const mapping = Object.create(null) as Record<string, unknown>
  for (const [key, member] of Object.entries(value)) mapping[key] = visit(walk, member, [...path, key])
  return mapping
}

function replaced(walk: Walk, written: string, path: ConfigPath): string {
  const { text, sources, problems } = interpolate(written, referencesOf(walk, path))
  walk.sources.set(pathKey(path), sources)
  if (problems.length > 0) walk.unresolved.add(pathKey(path))
  for (const { kind, message } of problems) {
    if (kind === 'malformed' || walk.ports.isChosen) walk.findings.push({ path, message })
  }
  return text
}

function referencesOf(walk: Walk, path: ConfigPath): References {
  const { env, isChosen } = walk.ports
  if (!isChosen) return { env, readSecret: () => ({ kind: 'missing' }) }
  return {
    env,
    readSecret: (file) => {
      const [writer] = walk.merged.writersOf(path)
      return readOnce(walk, resolve(writer?.layer.dir ?? '/', file))
    },
  }
}

function readOnce(walk: Walk, path: string): SecretFile {
  const found = walk.files.get(path) ?? readSecretFile(path)
  walk.files.set(path, found)
  walk.left -= found.kind === 'text' ? found.text.length : 0
  return walk.left < 0 ? { kind: 'unusable', reason: 'would make the configuration too large' } : found
}
