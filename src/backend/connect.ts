import type { Signal } from '../pipeline/signal.ts'
import type { StdioBackendConfig } from '../config/types.ts'
import { pauseFor } from '../pipeline/abort.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Message } from '../protocol/message.ts'
import { ChannelError, type ChannelEvents } from './channel.ts'
import { initializeLegacy } from './detect.ts'
import type { HttpChannel } from './http/channel.ts'
import type { LegacySpeaker } from './legacy.ts'
import type { BackendPorts, SessionClient, SpeakerPorts } from './ports.ts'
import type { Connect } from './sessions.ts'
import { openStdioChannel } from './stdio/channel.ts'

/** Milliseconds that a server gets to open its GET stream before calls go on without. */
const STREAM_PATIENCE = 1000

/** Milliseconds before a GET stream that ended is opened again; the longest pause after failures. */
const FIRST_PAUSE = 500
const LAST_PAUSE = 30_000

/** Opens a legacy session, in whichever of the two transports over HTTP the server has. */
export type InitializeHttp = (
  ports: SpeakerPorts,
  events: ChannelEvents,
  signal: Signal,
) => Promise<LegacySpeaker>

/** What servers that only have HTTP+SSE answer to a POST (2025-11-25, basic/transports "Backwards Compatibility"). */
const NOT_STREAMABLE: ReadonlySet<number> = new Set([400, 404, 405])

/** Tries Streamable HTTP first, and remembers where the other transport worked. */
export function initializeOverHttp(channel: HttpChannel): InitializeHttp {
  let isSse = false
  return async (ports, events, signal) => {
    if (!isSse) {
      try {
        return await initializeLegacy(channel, ports, signal)
      } catch (error) {
        if (!isNotStreamable(error)) throw error
        return await overSse(error)
      }
    }
    try {
      return await overSse(undefined)
    } catch (error) {
      isSse = false
      throw error
    }

    async function overSse(first: unknown): Promise<LegacySpeaker> {
      const session = await openSse(channel, { ports, events, signal }, first)
      isSse = true
      return session
    }
  }
}

interface SseSession {
  readonly ports: SpeakerPorts
  readonly events: ChannelEvents
  readonly signal: Signal
}

/** @param first why the other transport did not work: told where this one does not either */
async function openSse(
  channel: HttpChannel,
  { ports, events, signal }: SseSession,
  first: unknown,
): Promise<LegacySpeaker> {
  const sse = await channel.openSse(events, signal).catch((error: unknown) => {
    throw isNotStreamable(error) && first !== undefined ? first : error
  })
  try {
    return await initializeLegacy(sse, ports, signal)
  } catch (error) {
    await sse.close()
    throw error
  }
}

function isNotStreamable(error: unknown): boolean {
  if (!(error instanceof ChannelError)) return false
  return error.failure.kind === 'status' && NOT_STREAMABLE.has(error.failure.status)
}

/** Opens sessions over HTTP: many in one channel. */
export function connectHttp(initialize: InitializeHttp, session: SpeakerPorts, clock: Clock): Connect {
  return async (client, onEnd, signal) => {
    const now: { speaker?: LegacySpeaker } = {}
    const events: ChannelEvents = { onMessage: (message) => takeStray(message, now.speaker), onEnd }
    const speaker = await initialize({ ...session, client }, events, signal)
    now.speaker = speaker
    const stream = keptStream(speaker, clock)
    // Only where there is something to be missed: many servers ask on this stream, whatever call they ask for.
    if (canBeAsked(client)) await stream.open()
    return {
      speaker,
      follow: () => void stream.open(),
      close: () => {
        stream.close()
        return speaker.close()
      },
    }
  }
}

function canBeAsked({ capabilities: { elicitation, sampling, roots } }: SessionClient): boolean {
  return elicitation !== undefined || sampling !== undefined || roots !== undefined
}

/** The GET stream of a session, once somebody needs it. */
interface SessionStream {
  /** Keeps the stream open from now on. Settles when nothing is missed any more, or when that takes too long. */
  open(): Promise<void>
  close(): void
}

function keptStream(speaker: LegacySpeaker, clock: Clock): SessionStream {
  const closing = new AbortController()
  let opening: Promise<void> | undefined
  const begin = async (): Promise<void> => {
    const opened = Promise.withResolvers<void>()
    void keepStream(speaker, { clock, opened: opened.resolve, signal: closing.signal })
    const cancel = clock.after(STREAM_PATIENCE, opened.resolve)
    await opened.promise
    cancel()
  }
  return {
    open: () => (opening ??= begin()),
    close: () => closing.abort(new Error('closed')),
  }
}

function takeStray(message: Message, speaker: LegacySpeaker | undefined): void {
  if (message.kind === 'notification') speaker?.onMessage(message)
  else if (message.kind === 'request') speaker?.onStray(message)
}

/** Opens processes, one for each session. */
export function connectStdio(
  config: StdioBackendConfig,
  session: SpeakerPorts,
  ports: BackendPorts,
): Connect {
  return async (client, onEnd, signal) => {
    let speaker: LegacySpeaker | undefined
    const channel = await openStdioChannel(config, ports, {
      onMessage: (message) => takeStray(message, speaker),
      onEnd,
    })
    try {
      speaker = await initializeLegacy(channel, { ...session, client }, signal)
    } catch (error) {
      await channel.close()
      throw error
    }
    return { speaker, follow: () => undefined, close: () => channel.close() }
  }
}

interface KeptStream {
  readonly clock: Clock
  readonly opened: () => void
  readonly signal: Signal
}

/** Reads the GET stream of a session as long as the session lives. */
async function keepStream(speaker: LegacySpeaker, { clock, opened, signal }: KeptStream): Promise<void> {
  let pause = FIRST_PAUSE
  while (!signal.aborted) {
    const begun = clock.now()
    await speaker.follow(opened, signal).catch(() => undefined)
    opened()
    if (signal.aborted) return
    pause = clock.now() - begun > LAST_PAUSE ? FIRST_PAUSE : Math.min(pause * 2, LAST_PAUSE)
    await pauseFor(pause, clock, signal)
  }
}
