import type { Config } from '../config/types.ts'
import { silentLog } from '../pipeline/log.ts'
import type { Io } from './io.ts'
import { reasonFor, surround } from './running.ts'
import { oneLine } from './text.ts'

/** Milliseconds that backends get to list their tools. */
const PATIENCE = 10_000

/** Names of tools that one line shows. */
const MAX_SHOWN = 20

/** Connects to every backend, and yields what only they know: who is away, and which tools nobody may call. */
export async function connectedDoubts(io: Io, config: Config): Promise<readonly string[]> {
  const { gateway } = await surround(io, config, silentLog)
  try {
    await gateway.ready(PATIENCE)
    return gateway.report().flatMap(({ name, condition, uncallable }): readonly string[] => {
      if (condition.state !== 'up')
        return [`backend ${name}: ${condition.state === 'down' ? reasonFor(condition) : 'has not answered'}`]
      return uncallable.length === 0 ? [] : [`nobody may call ${toolList(name, uncallable)}`]
    })
  } finally {
    await gateway.close()
  }
}

/** Tools of a backend as rules write them, on one line. */
export function toolList(backend: string, names: readonly string[]): string {
  const shown = names.slice(0, MAX_SHOWN).map((name) => oneLine(`${backend}/${name}`, 100))
  const more = names.length - shown.length
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
