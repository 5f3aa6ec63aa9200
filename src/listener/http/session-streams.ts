import type { HttpResponse } from './exchange.ts'
import { GatewayError } from '../../errors.ts'
import type { Clock } from '../../pipeline/clock.ts'
import { encodeSse } from '../../protocol/sse.ts'
import { type EventWriter, openEvents } from './event-writer.ts'
import { type Acceptable, type JsonHead, writeJson } from './responder.ts'

/** The event streams of one legacy session: those of its calls, and those that belong to no call. */
export interface SessionStreams {
  /** Sets the revision that was negotiated; before that, streams are such as every revision understands. */
  speak(version: string): void
  /** The answer of one POST. */
  answer(response: HttpResponse, accept: Acceptable): CallStream
  /** GET: a stream for messages that belong to no call. */
  listen(response: HttpResponse): void
  /**
   * GET with `Last-Event-ID`: goes on with the stream that the event was on.
   *
   * @throws GatewayError INVALID_REQUEST for an event from which nothing can be resumed
   */
  resume(response: HttpResponse, lastEventId: string): void
  /** Sends a message that belongs to no call, on exactly one stream. Dropped while there is none. */
  push(text: string): void
  /** Streams of no call that have a connection. */
  readonly listeners: number
  /** Forgets streams that nobody came back for. */
  prune(): void
  close(): void
}

/** The answer of one POST: JSON, or an event stream as soon as something has to be said before the end. */
export interface CallStream {
  /** Writes a message before the answer. The promise is there while the client does not keep up. */
  event(text: string): Promise<void> | undefined
  /** Ends with the answer; `head` is what HTTP says where it is JSON, by default 200. */
  end(text: string, head?: JsonHead): void
}

/** What the streams of a session need. */
export interface StreamPorts {
  readonly clock: Clock
  /** Events that may wait for a client that does not read, and that are kept for one that comes back. */
  readonly queue: number
  /** Milliseconds that a connection lasts which a client opened by GET. */
  readonly age: number
}

/** Characters of events that one session keeps for a client that comes back. */
const KEPT_SIZE = 1_048_576
/** Milliseconds for which a stream without a connection is kept. */
const KEPT_TIME = 60_000
/** Streams of no call that are kept without a connection. */
const MOST_LEFT = 4
/** What clients are told to wait before they come back, in milliseconds. */
const RETRY = 1000

/** Creates the streams of one session. */
export function createSessionStreams(ports: StreamPorts): SessionStreams {
  return new Streams(ports)
}

interface Stream {
  readonly id: number
  /** Whether it carries what belongs to no call. */
  readonly standalone: boolean
  writer: EventWriter | undefined
  /** Nothing more will come on it. */
  ended: boolean
  /** The newest of its events that is no longer kept. */
  lostUpTo: number
  /** The newest of its events. */
  last: number
  /** When its connection was lost or its end written. */
  since: number
}

interface KeptEvent {
  readonly stream: Stream
  readonly number: number
  readonly text: string
}

class Streams implements SessionStreams {
  readonly #ports: StreamPorts
  readonly #streams = new Map<number, Stream>()
  #kept: KeptEvent[] = []
  #keptSize = 0
  #lastStream = 0
  #lastEvent = 0
  #version = ''

  constructor(ports: StreamPorts) {
    this.#ports = ports
  }

  speak(version: string): void {
    this.#version = version
  }

  get listeners(): number {
    return [...this.#streams.values()].filter((one) => one.standalone && one.writer !== undefined).length
  }

  answer(response: HttpResponse, accept: Acceptable): CallStream {
    let stream: Stream | undefined
    const opened = (): Stream => (stream ??= this.#open(response, false))
    return {
      event: (text) => {
        if (stream === undefined && (response.destroyed || !accept.events)) return undefined
        return this.#send(opened(), text)
      },
      end: (text, head = { status: 200 }) => {
        if (stream === undefined && response.destroyed) return
        if (stream === undefined && (accept.json || head.status !== 200))
          return writeJson(response, text, head)
        const last = opened()
        last.ended = true
        void this.#send(last, text)
        last.writer?.end()
      },
    }
  }

  listen(response: HttpResponse): void {
    this.#open(response, true)
  }

  resume(response: HttpResponse, lastEventId: string): void {
    const [, id, number] = /^(\d{1,15})-(\d{1,15})$/.exec(lastEventId) ?? []
    const stream = this.#streams.get(Number(id))
    const last = Number(number)
    // What belongs to no call can go on after a gap; a call without its answer cannot.
    if (stream === undefined || last > this.#lastEvent || (stream.lostUpTo > last && !stream.standalone))
      throw new GatewayError('INVALID_REQUEST', 'Nothing can be resumed from this Last-Event-ID')
    stream.writer?.end()
    this.#attach(stream, response)
    const missed = this.#kept.filter((event) => event.stream === stream && event.number > last)
    const frames = missed.map((event) => encodeSse(event.text, eventId(event))).join('')
    if (stream.ended) stream.writer?.end(frames)
    else if (frames !== '') void stream.writer?.write(frames)
  }

  push(text: string): void {
    const standalone = [...this.#streams.values()].filter((stream) => stream.standalone)
    const stream = standalone.findLast(({ writer }) => writer !== undefined) ?? standalone.at(-1)
    if (stream !== undefined) void this.#send(stream, text)
  }

  prune(): void {
    const limit = this.#ports.clock.now() - KEPT_TIME
    for (const stream of this.#streams.values()) {
      // A call that runs on may still be asked for.
      if (stream.writer !== undefined || stream.since > limit || !(stream.ended || stream.standalone))
        continue
      this.#streams.delete(stream.id)
      this.#forget((event) => event.stream === stream)
    }
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.writer?.end()
    this.#streams.clear()
    this.#forget(() => true)
  }

  #open(response: HttpResponse, standalone: boolean): Stream {
    const { clock } = this.#ports
    if (standalone) this.#makeRoom()
    const stream: Stream = {
      id: ++this.#lastStream,
      standalone,
      writer: undefined,
      ended: false,
      lostUpTo: 0,
      last: 0,
      since: clock.now(),
    }
    this.#streams.set(stream.id, stream)
    this.#attach(stream, response)
    // 2025-11-25, basic/transports: gives the client an event to come back with. Older ones take it for a message.
    if (this.#version >= '2025-11-25') {
      const id = eventId({ stream, number: ++this.#lastEvent })
      void stream.writer?.write(`id: ${id}\nretry: ${RETRY}\ndata: \n\n`)
    }
    return stream
  }

  /** Only some of the streams that clients leave are kept for them. */
  #makeRoom(): void {
    const left = [...this.#streams.values()].filter((one) => one.standalone && one.writer === undefined)
    for (const stream of left.slice(0, -MOST_LEFT)) this.#streams.delete(stream.id)
  }

  #attach(stream: Stream, response: HttpResponse): void {
    const { clock, queue, age } = this.#ports
    const writer = openEvents(response, {
      clock,
      queue,
      // Nothing else ends one whose client vanished, and a client that is there comes back.
      ...(stream.standalone ? { age } : {}),
      // A legacy client that does not read loses its connection, never its call.
      onOverflow: () => response.destroy(),
      onClose: () => {
        if (stream.writer !== writer) return
        stream.writer = undefined
        stream.since = clock.now()
      },
    })
    stream.writer = writer
  }

  #send(stream: Stream, text: string): Promise<void> | undefined {
    const event = { stream, number: ++this.#lastEvent, text }
    stream.last = event.number
    this.#keep(event)
    return stream.writer?.write(encodeSse(text, eventId(event)))
  }

  #keep(event: KeptEvent): void {
    this.#kept.push(event)
    this.#keptSize += event.text.length
    while (this.#kept.length > this.#ports.queue || this.#keptSize > KEPT_SIZE) {
      const oldest = this.#kept.shift()
      if (oldest === undefined) return
      this.#keptSize -= oldest.text.length
      const { stream } = oldest
      stream.lostUpTo = oldest.number
      if (stream.ended && stream.last === oldest.number) this.#streams.delete(stream.id)
    }
  }

  #forget(isGone: (event: KeptEvent) => boolean): void {
    this.#kept = this.#kept.filter((event) => !isGone(event))
    this.#keptSize = this.#kept.reduce((size, event) => size + event.text.length, 0)
  }
}

/** Unique in the session, and says which stream it is on (2025-11-25, basic/transports "Resumability and Redelivery"). */
function eventId({ stream, number }: Pick<KeptEvent, 'stream' | 'number'>): string {
  return `${stream.id}-${number}`
}
