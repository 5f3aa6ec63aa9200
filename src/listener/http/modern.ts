import { Canceller } from '../../pipeline/signal.ts'
import type { HttpRequest, HttpResponse } from './exchange.ts'
import { GatewayError } from '../../errors.ts'
import { type Outcome, toRefusal } from '../../filters/rescue.ts'
import type { Downstream, Principal, Route } from '../../pipeline/call.ts'
import { rawOf } from '../../protocol/json.ts'
import { checkModernNotification, checkModernRequest } from '../../protocol/ladder.ts'
import type { NotificationMessage, RequestMessage } from '../../protocol/message.ts'
import { type ModernWriter, modernWriter, statusOf } from '../modern-reply.ts'
import type { ListenerPorts } from '../ports.ts'
import { challengeHeaders } from './challenge.ts'
import type { HttpClient } from './client-address.ts'
import { type Acceptable, createResponder } from './responder.ts'
import { headerReader, paramHeadersOf, traceHeadersOf } from './headers.ts'

/** One POST whose body has been read. */
export interface Post {
  readonly request: HttpRequest
  readonly response: HttpResponse
  readonly route: Route
  readonly principal: Principal
  /** Where it comes from. */
  readonly client: HttpClient
  readonly accept: Acceptable
}

/** Serves the modern era over HTTP: every POST stands alone, and closing it cancels. */
export interface ModernHttp {
  request(post: Post, message: RequestMessage): Promise<void>
  notification(post: Post, message: NotificationMessage): void
}

/** Creates the modern side of the HTTP listener. */
export function modernHttp(ports: ListenerPorts): ModernHttp {
  const writer: ModernWriter = modernWriter(ports.serverInfo)
  return {
    request(post, message) {
      const { request, response } = post
      const canceller = new Canceller()
      response.on('close', () => {
        if (!response.writableFinished)
          canceller.abort(new GatewayError('CANCELLED', 'The client closed the connection'))
      })
      const id = rawOf(message.text, message.id)
      const responder = createResponder(response, {
        clock: ports.clock,
        accept: post.accept,
        queue: ports.settings.limits.queue,
        onOverflow: (error) => canceller.abort(error),
      })
      const downstream = downstreamOf(message, post)
      if (downstream instanceof GatewayError) {
        const refusal = toRefusal(downstream, ports.log)
        const { method = '', url = '' } = request
        ports.onRefused?.({ method, path: url.replace(/\?.*/s, ''), address: post.client.address, refusal })
        responder.end(refusal.status, writer.refusalText(refusal, id), refusal.headers)
        return Promise.resolve()
      }
      const { principal } = post
      const leave = principal.anonymous
        ? undefined
        : ports.door.holds.enter(principal, (reason) => canceller.abort(reason))
      const answered = ports.answer(
        {
          message,
          method: message.method,
          route: post.route,
          principal,
          downstream,
          headers: paramHeadersOf(request),
          trace: ports.traced === true ? traceHeadersOf(request) : undefined,
          signal: canceller,
        },
        { send: (notification) => responder.event(notification.text) },
      )
      const reply = (outcome: Outcome): void => {
        leave?.()
        if (outcome.kind === 'refusal') {
          const headers = challengeHeaders(outcome, post, ports.door)
          responder.end(outcome.status, writer.refusalText(outcome, id), headers)
        } else responder.end(statusOf(outcome), writer.replyText(outcome, id))
      }
      return answered.then(reply)
    },
    notification(post, message) {
      checkModernNotification(message, headerReader(post.request))
      // The revision defines no notification from client to server over HTTP: accepted and without effect.
      post.response.writeHead(202).end()
    },
  }
}

/** Nearly every modern client speaks the newest revision: what is said of it is made once for its connection. */
function downstreamOf(message: RequestMessage, { request, client }: Post): Downstream | GatewayError {
  try {
    const version = checkModernRequest(message, headerReader(request))
    return version === client.latest.version ? client.latest : { ...client.latest, version }
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
}
