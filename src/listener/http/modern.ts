import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { GatewayError } from '../../errors.ts'
import { toRefusal } from '../../filters/rescue.ts'
import type { Downstream, Principal, Route } from '../../pipeline/call.ts'
import { rawOf } from '../../protocol/json.ts'
import { checkModernNotification, checkModernRequest } from '../../protocol/ladder.ts'
import type { NotificationMessage, RequestMessage } from '../../protocol/message.ts'
import { MODERN_VERSION } from '../../protocol/versions.ts'
import { type ModernWriter, modernWriter, statusOf } from '../modern-reply.ts'
import type { ListenerPorts } from '../ports.ts'
import { networkOf } from './address.ts'
import { type Acceptable, createResponder } from './responder.ts'
import { headerReader, paramHeadersOf } from './headers.ts'

/** One POST whose body has been read. */
export interface Post {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly route: Route
  readonly principal: Principal
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
    async request(post, message) {
      const { request, response } = post
      const controller = new AbortController()
      response.on('close', () => {
        if (!response.writableFinished)
          controller.abort(new GatewayError('CANCELLED', 'The client closed the connection'))
      })
      const id = rawOf(message.text, message.id)
      const responder = createResponder(response, {
        clock: ports.clock,
        accept: post.accept,
        queue: ports.settings.limits.queue,
        onOverflow: (error) => controller.abort(error),
      })
      const downstream = downstreamOf(message, request)
      if (downstream instanceof GatewayError) {
        const refusal = toRefusal(downstream, ports.log)
        return responder.end(refusal.status, writer.refusalText(refusal, id), refusal.headers)
      }
      const outcome = await ports.answer(
        {
          message,
          method: message.method,
          route: post.route,
          principal: post.principal,
          downstream,
          headers: paramHeadersOf(request),
          signal: controller.signal,
        },
        { send: (notification) => responder.event(notification.text) },
      )
      if (outcome.kind === 'refusal')
        responder.end(outcome.status, writer.refusalText(outcome, id), outcome.headers)
      else responder.end(statusOf(outcome), writer.replyText(outcome, id))
    },
    notification(post, message) {
      checkModernNotification(message, headerReader(post.request))
      // The revision defines no notification from client to server over HTTP: accepted and without effect.
      post.response.writeHead(202).end()
    },
  }
}

/** Nearly every modern client on loopback. */
const LATEST: Downstream = { era: 'modern', version: MODERN_VERSION, transport: 'http', session: undefined }

/** Made once for every connection, not for every call. */
const clients = new WeakMap<Socket, Downstream>()

function clientOn(socket: Socket): Downstream {
  const known = clients.get(socket)
  if (known !== undefined) return known
  const network = networkOf(socket)
  const client = network === undefined ? LATEST : { ...LATEST, network }
  clients.set(socket, client)
  return client
}

function downstreamOf(message: RequestMessage, request: IncomingMessage): Downstream | GatewayError {
  try {
    const version = checkModernRequest(message, headerReader(request))
    const client = clientOn(request.socket)
    return version === client.version ? client : { ...client, version }
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
}
