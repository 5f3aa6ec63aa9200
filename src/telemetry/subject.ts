import type { RequestMessage } from '../protocol/message.ts'
import { subjectOf } from '../protocol/subject.ts'

/** What a call is about, as its client wrote it. */
export type CallSubject =
  | { readonly kind: 'tool' | 'prompt'; readonly name: string }
  | { readonly kind: 'resource'; readonly uri: string }

/** Characters of a text of the client that are told. */
const LONGEST = 256

/** What a call is about; undefined where it is about nothing that has a name. */
export function callSubject(message: RequestMessage): CallSubject | undefined {
  switch (message.method) {
    case 'tools/call':
      return named('tool', subjectOf(message))
    case 'prompts/get':
      return named('prompt', subjectOf(message))
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe': {
      const uri = subjectOf(message)
      return uri === undefined ? undefined : { kind: 'resource', uri: shownUri(uri) }
    }
    default:
      return undefined
  }
}

function named(kind: 'tool' | 'prompt', name: string | undefined): CallSubject | undefined {
  return name === undefined ? undefined : { kind, name: cut(name) }
}

/** A URI without what may be a secret: user, password, query and fragment. */
function shownUri(uri: string): string {
  return cut(uri.replace(/[?#].*$/s, '').replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, '$1'))
}

/** As much of a text of somebody else as is told. */
export function cut(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
}
