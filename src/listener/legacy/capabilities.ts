import { type JsonObject, member, rawOf } from '../../protocol/json.ts'

/** What a legacy client can be asked for, and how that is said in the modern form. */
export interface ClientCapabilities {
  /** Raw JSON: `clientCapabilities` of every modern request that is made for the client. */
  readonly modern: string
  /** The kinds of input request that may reach the client. */
  readonly accepts: ReadonlySet<InputKind>
}

/** A kind of input request, as capabilities tell them apart. */
export type InputKind = 'form' | 'url' | 'sampling' | 'roots'

/** The first revision with elicitation. */
const ELICITATION = '2025-06-18'
/** The first revision with elicitation by URL, and with tools in sampling. */
const URL_MODE = '2025-11-25'

/**
 * Reads the capabilities of an `initialize` (2025-11-25, basic/lifecycle "Capability Negotiation") and writes them as
 * 2026-07-28 has them. What the negotiated revision does not know is not declared, whatever the client says; neither
 * are the experimental tasks of 2025-11-25, which the modern era replaced.
 *
 * @param version the negotiated revision
 */
export function readCapabilities(
  text: string,
  capabilities: JsonObject | undefined,
  version: string,
): ClientCapabilities {
  const accepts = new Set<InputKind>()
  const modern: Record<string, string> = {}
  const elicitation = elicitationOf(capabilities, version)
  if (elicitation.length > 0) {
    for (const mode of elicitation) accepts.add(mode)
    modern['elicitation'] = `{${elicitation.map((mode) => `"${mode}":{}`).join(',')}}`
  }
  const sampling = objectMember(capabilities, 'sampling')
  if (sampling !== undefined) {
    accepts.add('sampling')
    modern['sampling'] = version >= URL_MODE ? rawOf(text, sampling) : '{}'
  }
  if (objectMember(capabilities, 'roots') !== undefined) {
    accepts.add('roots')
    // Changes of roots are not announced in the modern era: servers ask whenever they need them.
    modern['roots'] = '{}'
  }
  for (const name of ['extensions', 'experimental']) {
    const value = objectMember(capabilities, name)
    if (value !== undefined) modern[name] = rawOf(text, value)
  }
  const members = Object.entries(modern).map(([name, value]) => `"${name}":${value}`)
  return { modern: `{${members.join(',')}}`, accepts }
}

/** `{}` means forms (2025-11-25, client/elicitation "Capabilities"): that is all 2025-06-18 had. */
function elicitationOf(capabilities: JsonObject | undefined, version: string): readonly ('form' | 'url')[] {
  const elicitation = objectMember(capabilities, 'elicitation')
  if (elicitation === undefined || version < ELICITATION) return []
  if (version < URL_MODE) return ['form']
  const form = objectMember(elicitation, 'form') !== undefined
  const url = objectMember(elicitation, 'url') !== undefined
  if (!form && !url) return ['form']
  return [...(form ? (['form'] as const) : []), ...(url ? (['url'] as const) : [])]
}

function objectMember(object: JsonObject | undefined, name: string): JsonObject | undefined {
  const value = member(object, name)
  return value?.kind === 'object' ? value : undefined
}
