/** `npm run bench -- resilience`: what the filters against failing backends cost a call. README.md says how to read it. */
import { compareSettings } from './backend-settings.ts'

/** The settings of the backend that are compared. */
const SETTINGS: Readonly<Record<string, object>> = {
  off: { retry: false, circuitBreaker: false, bulkhead: false },
  retry: { circuitBreaker: false, bulkhead: false },
  'circuit breaker': { retry: false, bulkhead: false },
  bulkhead: { retry: false, circuitBreaker: false },
  default: {},
  everything: {
    timeout: { total: '30s', firstByte: '10s', idle: '10s' },
    tools: { '*': { idempotent: true, hedge: { after: '10s' } } },
  },
}

/** Measures each setting in turn, round by round, and prints CPU per call and its ratio to all of them off. */
export const measureResilience = async (args: readonly string[]): Promise<number> =>
  compareSettings({ settings: SETTINGS, yardstick: 'off', kind: 'filters' }, args)
