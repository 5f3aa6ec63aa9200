import { rawOf } from '../protocol/json.ts'
import type { RequestMessage } from '../protocol/message.ts'
import type { LegacyCapabilities } from './capabilities.ts'
import { KEY_STEM, type Question, answerText, giveUp, isAnswer, isQuestion, questionOf } from './input.ts'

/** The open questions of a legacy server in one call or task, under keys that are used once. */
export interface OpenQuestions {
  readonly size: number
  /** Keys with the raw JSON of each question in the modern shape, in the order in which they were asked. */
  list(): readonly (readonly [key: string, modern: string])[]
  /** Takes a request as a question. False where it cannot be put to the client: the server is told. */
  take(request: RequestMessage): boolean
  /** Gives the server the answers to its questions. Keys that are not asked for (any more) mean nothing. */
  answer(responses: ReadonlyMap<string, string>): void
  /** The server no longer waits for the answer to the request of that raw id. */
  withdraw(id: string | undefined): void
  /** Says that nobody will answer. */
  giveUp(): void
}

/**
 * Creates an empty set of questions.
 *
 * @param respond takes an answer to the server
 */
export function createQuestions(
  capabilities: LegacyCapabilities,
  respond: (text: string) => void,
): OpenQuestions {
  const open = new Map<string, Question>()
  const asked = new Map<string, number>()
  return {
    get size() {
      return open.size
    },
    list: () => [...open].map(([key, { modern }]) => [key, modern] as const),
    take(request) {
      const found = questionOf(request, capabilities)
      if (!isQuestion(found)) {
        const id = rawOf(request.text, request.id)
        respond(`{"jsonrpc":"2.0","id":${id},"error":${JSON.stringify(found)}}`)
        return false
      }
      const count = (asked.get(found.method) ?? 0) + 1
      asked.set(found.method, count)
      open.set(`${KEY_STEM[found.method]}_${count}`, found)
      return true
    },
    answer(responses) {
      for (const [key, question] of open) {
        const raw = responses.get(key)
        if (raw === undefined || !isAnswer(raw, question)) continue
        open.delete(key)
        respond(answerText(question, raw))
      }
    },
    withdraw(id) {
      for (const [key, question] of open) if (question.id === id) open.delete(key)
    },
    giveUp() {
      for (const question of open.values()) respond(giveUp(question))
      open.clear()
    },
  }
}
