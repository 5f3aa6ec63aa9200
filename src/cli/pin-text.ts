import { PINNED_KINDS, type PinnedKind } from '../routing/integrity/definition.ts'
import type { Drift } from '../routing/integrity/drift.ts'
import { escapeHidden } from '../routing/integrity/hidden.ts'
import type { Output } from './io.ts'
import type { BackendPlan, PinPlan } from './pin-plan.ts'
import { oneLine, paint } from './text.ts'

type Compared = BackendPlan & { readonly kind: 'compared' }

/** Longest description that is shown whole, in characters: what is approved has to be read. */
const MAX_DESCRIPTION = 2000

/** What approving would change, like a diff. */
export function renderPlan(plan: PinPlan, output: Output): string {
  const removed = plan.removed.map((name) =>
    paint(output, 'red', `- ${shown(name)}: not configured any more\n`),
  )
  return [...plan.backends.map((backend) => renderBackend(backend, output)), ...removed].join('')
}

function renderBackend(plan: BackendPlan, output: Output): string {
  const name = paint(output, 'bold', plan.backend)
  if (plan.kind === 'unreachable')
    return `${name}: ${paint(output, 'red', 'cannot be asked')}: ${shown(plan.reason)}\n`
  const blocks = PINNED_KINDS.flatMap((kind) =>
    plan.drifts[kind].map((drift) => renderDrift(plan, { kind, drift }, output)),
  ).join('')
  const same = PINNED_KINDS.flatMap((kind) => plan.drifts[kind]).filter(({ kind }) => kind === 'same').length
  const facts = plan.known ? `${same} as approved` : 'nothing approved yet'
  const odd = plan.findings.map(({ name: definition, detail }) =>
    paint(output, 'yellow', `  ! ${shown(definition)}: ${shown(detail)}\n`),
  )
  return `${name}: ${facts}\n${blocks}${odd.join('')}`
}

const NOUN: Readonly<Record<PinnedKind, string>> = { tools: '', prompts: ' (prompt)' }

function renderDrift(
  { descriptions }: Compared,
  { kind, drift }: { readonly kind: PinnedKind; readonly drift: Drift },
  output: Output,
): string {
  const title = `${shown(drift.name)}${NOUN[kind]}`
  const description = descriptions.get(`${kind} ${drift.name}`) ?? ''
  switch (drift.kind) {
    case 'same':
      return ''
    case 'gone':
      return paint(output, 'red', `  - ${title}\n`)
    case 'added':
      return `${paint(output, 'green', `  + ${title}${argumentsText(drift.now.arguments)}`)}\n${indented('', description)}`
    case 'changed':
      return `${paint(output, 'yellow', `  ~ ${title}: ${drift.changes.map(shown).join(', ')}`)}\n${difference(drift, description, output)}`
  }
}

function difference(
  drift: Drift & { readonly kind: 'changed' },
  description: string,
  output: Output,
): string {
  const { before, now, changes } = drift
  const lines: string[] = []
  if (changes.includes('description')) {
    // Only its first line was kept of the old one; the new one is shown whole, because it is what gets approved.
    lines.push(
      paint(output, 'red', indented('- ', before.summary)),
      paint(output, 'green', indented('+ ', description)),
    )
  }
  const gone = before.arguments.filter((name) => !now.arguments.includes(name))
  const added = now.arguments.filter((name) => !before.arguments.includes(name))
  if (gone.length > 0) lines.push(paint(output, 'red', `      - arguments: ${gone.map(shown).join(', ')}\n`))
  if (added.length > 0)
    lines.push(paint(output, 'green', `      + arguments: ${added.map(shown).join(', ')}\n`))
  return lines.join('')
}

function argumentsText(names: readonly string[]): string {
  return names.length === 0 ? '' : ` (${names.map(shown).join(', ')})`
}

function indented(mark: string, text: string): string {
  const cut =
    text.length > MAX_DESCRIPTION ? `${text.slice(0, MAX_DESCRIPTION)}… (${text.length} characters)` : text
  const lines = cut.split(/\r?\n/).map((line) => shown(line))
  return lines
    .filter((line) => line !== '')
    .map((line) => `      ${mark}${line}\n`)
    .join('')
}

/** Text of a backend: on one line, and nothing in it that the reader would not see. */
function shown(text: string): string {
  return oneLine(escapeHidden(text), MAX_DESCRIPTION)
}

/** The plan for programs. */
export function planDocument({ backends, removed }: PinPlan): {
  readonly backends: readonly object[]
  readonly removed: readonly string[]
} {
  return { backends: backends.map(backendDocument), removed }
}

function backendDocument(plan: BackendPlan): object {
  if (plan.kind === 'unreachable') return { name: plan.backend, unreachable: plan.reason }
  const kinds = PINNED_KINDS.map((kind) => [kind, kindDocument(plan.drifts[kind])] as const)
  return { name: plan.backend, known: plan.known, ...Object.fromEntries(kinds), findings: plan.findings }
}

function kindDocument(drifts: readonly Drift[]): object {
  const names = (kind: Drift['kind']): readonly string[] =>
    drifts.filter((drift) => drift.kind === kind).map(({ name }) => name)
  return {
    same: names('same').length,
    changed: drifts.flatMap((drift) =>
      drift.kind === 'changed' ? [{ name: drift.name, changes: drift.changes }] : [],
    ),
    added: names('added'),
    gone: names('gone'),
  }
}
