import type { StdioBackendConfig } from '../config/types.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Channel } from './channel.ts'
import { initializeLegacy } from './detect.ts'
import type { LegacySpeaker } from './legacy.ts'
import type { BackendPorts, SpeakerPorts } from './ports.ts'
import type { Connect } from './sessions.ts'
import { openStdioChannel } from './stdio/channel.ts'

/** Milliseconds that a server gets to open its GET stream before calls go on without. */
const STREAM_PATIENCE = 1000

/** Milliseconds before a GET stream that ended is opened again; the longest pause after failures. */
const FIRST_PAUSE = 500
const LAST_PAUSE = 30_000

/** Opens sessions over HTTP: many in one channel. */
export function connectHttp(channel: Channel, session: SpeakerPorts, clock: Clock): Connect {
  return async (client, _onEnd, signal) => {
    const speaker = await initializeLegacy(channel, { ...session, client }, signal)
    const closing = new AbortController()
    const { elicitation, sampling, roots } = client.capabilities
    // Only there is something to be missed: many servers ask on this stream, whatever call they ask for.
    if (elicitation !== undefined || sampling !== undefined || roots !== undefined) {
      const opened = Promise.withResolvers<void>()
      void keepStream(speaker, { clock, opened: opened.resolve, signal: closing.signal })
      const cancel = clock.after(STREAM_PATIENCE, opened.resolve)
      await opened.promise
      cancel()
    }
    return {
      speaker,
      close: () => {
        closing.abort(new Error('closed'))
        return speaker.close()
      },
    }
  }
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
      onMessage: (message) => {
        if (message.kind === 'notification') speaker?.onMessage(message)
        else if (message.kind === 'request') speaker?.onStray(message)
      },
      onEnd,
    })
    try {
      speaker = await initializeLegacy(channel, { ...session, client }, signal)
    } catch (error) {
      await channel.close()
      throw error
    }
    return { speaker, close: () => channel.close() }
  }
}

interface KeptStream {
  readonly clock: Clock
  readonly opened: () => void
  readonly signal: AbortSignal
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

async function pauseFor(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = clock.after(ms, resolve)
  const wake = (): void => resolve()
  signal.addEventListener('abort', wake)
  await promise
  cancel()
  signal.removeEventListener('abort', wake)
}
