import { parseArgs } from 'node:util'

const USAGE =
  'usage: npm run bench -- small-call [--json] [--check] [--rounds N] [--seconds S] [--connections N] [--rate N] [--only a,b]\n' +
  '       npm run bench -- memory [--json] [--count N]\n' +
  '       npm run bench -- limits [--json] [--rounds N] [--seconds S] [--rate N]\n' +
  '       npm run bench -- authorize [--json] [--check] [--rounds N] [--seconds S] [--rate N]\n' +
  '       npm run bench -- resilience [--json] [--rounds N] [--seconds S] [--connections N] [--rate N]\n' +
  '       npm run bench -- signals [--json] [--rounds N] [--seconds S] [--rate N]\n' +
  '       npm run bench -- signing [--json] [--rounds N] [--seconds S] [--connections N] [--rate N]\n' +
  '       npm run bench -- isolation [--json] [--rounds N] [--seconds S]\n' +
  '       npm run bench -- soak [--calls N] [--seed N]'

/** What the command line asks for. */
export interface Options {
  /** One line of JSON per proxy instead of a table. */
  readonly json: boolean
  /** Whether Toolgate's budget decides the exit code too. */
  readonly check: boolean
  /** Default 15: fewer give no useful interval. */
  readonly rounds: number
  /** Length of one window. Default 1.5. */
  readonly seconds: number
  /** Calls in flight at most. Default 32. */
  readonly connections: number
  /** Calls per second that every proxy is offered where CPU and latency are measured. Default 4000. */
  readonly rate: number
  /** Names of the proxies to measure; all of them if absent. */
  readonly only: readonly string[] | undefined
}

const positive = (name: string, text: string, whole: boolean): number => {
  const value = Number(text)
  if (value > 0 && Number.isFinite(value) && (!whole || Number.isInteger(value))) return value
  throw new Error(`--${name} must be a positive ${whole ? 'whole ' : ''}number, not ${text}\n${USAGE}`)
}

/**
 * Parses the command line after the program's name.
 *
 * @throws Error with the usage if something is not understood
 */
export const parseOptions = (args: readonly string[]): Options => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '15' },
      seconds: { type: 'string', default: '1.5' },
      connections: { type: 'string', default: '32' },
      rate: { type: 'string', default: '4000' },
      only: { type: 'string' },
    },
  })
  if (positionals.length !== 1 || positionals[0] !== 'small-call') throw new Error(USAGE)
  return {
    json: values.json,
    check: values.check,
    rounds: positive('rounds', values.rounds, true),
    seconds: positive('seconds', values.seconds, false),
    connections: positive('connections', values.connections, true),
    rate: positive('rate', values.rate, true),
    only: values.only?.split(','),
  }
}

/**
 * Parses the command line of a scenario that compares settings.
 *
 * @throws Error with the usage if something is not understood
 */
export const parseRounds = (
  args: readonly string[],
  usage: string,
): Pick<Options, 'json' | 'rounds' | 'seconds' | 'rate'> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '15' },
      seconds: { type: 'string', default: '1.5' },
      rate: { type: 'string', default: '4000' },
    },
  })
  const [rounds, seconds, rate] = [Number(values.rounds), Number(values.seconds), Number(values.rate)]
  if (!(rounds >= 1) || !(seconds > 0) || !(rate > 0)) throw new Error(usage)
  return { json: values.json, rounds, seconds, rate }
}
