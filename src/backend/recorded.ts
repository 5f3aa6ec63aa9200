import type { Notifications, Reply } from '../pipeline/call.ts'
import type { AttemptRecord, CallRecord } from '../pipeline/record.ts'
import type { Backend, BackendRequest } from './backend.ts'

/** A request, and where its notifications go. */
export interface Sending {
  readonly request: BackendRequest
  readonly out: Notifications
}

/**
 * Sends a request to a backend, and keeps account of the try where somebody follows the call.
 *
 * @throws as {@link Backend.send}
 */
export function sendRecorded(
  record: CallRecord | undefined,
  backend: Backend,
  { request, out }: Sending,
): Promise<Reply> {
  if (record === undefined) return backend.send(request, out)
  return recorded(record.attempt(backend.name), backend, { request, out })
}

function recorded(record: AttemptRecord, backend: Backend, { request, out }: Sending): Promise<Reply> {
  return backend.send({ ...request, record }, out).then(
    (reply) => {
      record.answered(reply)
      return reply
    },
    (error: unknown) => {
      record.failed(error)
      throw error
    },
  )
}
