import type { Protection } from './protection.ts'

const METRICS = 'test/metrics.test.ts'
const ADMIN = 'src/admin/server.test.ts'
const TOOL = 'test/gateway-metrics.test.ts'
const CONFIG = 'src/config/telemetry-schema.test.ts'

/** What keeps metrics small, and to those that they are for. */
export const metrics: readonly Protection[] = [
  {
    against: 'series that clients make with methods',
    file: 'src/telemetry/conventions.ts',
    find: 'return METHODS.has(method) ? method : OTHER',
    replace: 'return method',
    test: METRICS,
    fails: 'cannot be made by clients',
  },
  {
    against: 'series that clients make with URIs',
    file: 'src/telemetry/metrics/calls.ts',
    find: "one?.name === undefined || (method !== 'tools/call' && method !== 'prompts/get')",
    replace: 'one?.name === undefined',
    test: 'src/telemetry/metrics/calls.test.ts',
    fails: 'have prompts by their name',
  },
  {
    against: 'series that backends make with ever new tools',
    file: 'src/telemetry/metrics/calls.ts',
    find: 'this.#names < this.#config.maxTools ? nameValue(name) : OTHER',
    replace: 'nameValue(name)',
    test: METRICS,
    fails: 'cannot be made without end',
  },
  {
    against: 'series that backends make with codes of errors',
    file: 'src/telemetry/conventions.ts',
    find: 'return CODES.has(code) ? String(code) : OTHER',
    replace: 'return String(code)',
    test: 'src/telemetry/metrics/calls.test.ts',
    fails: 'codes that backends make up',
  },
  {
    against: 'names that break the lines of a scrape',
    file: 'src/telemetry/metrics/labels.ts',
    find: ".replaceAll('\"', '\\\\\"')",
    replace: '',
    test: 'src/telemetry/metrics/exposition.test.ts',
    fails: 'is OpenMetrics',
  },
  {
    against: 'metrics for whoever has no token',
    file: 'src/admin/server.ts',
    find: 'metrics?.open === true || isAuthorized(request, token)',
    replace: 'true',
    test: ADMIN,
    fails: 'shows metrics to who has',
  },
  {
    against: 'a token for metrics that opens more',
    file: 'src/admin/server.ts',
    find: '  if (!isAuthorized(request, ports.token)) return refuse(response)\n  const document',
    replace: '  if (!mayScrape(request, ports)) return refuse(response)\n  const document',
    test: ADMIN,
    fails: 'shows metrics to who has',
  },
  {
    against: 'figures of tools that the caller may not see',
    file: 'src/backend/builtin/metrics.ts',
    find: 'figures().filter(({ backend, tool }) => sight.sees(backend, tool))',
    replace: 'figures()',
    test: TOOL,
    fails: 'tells nobody of what they may not see',
  },
  {
    against: 'names of backends that the caller may not see',
    file: 'src/backend/builtin/metrics.ts',
    find: 'backends().filter((name) => sight.reaches(name))',
    replace: 'backends()',
    test: TOOL,
    fails: 'tells nobody of what they may not see',
  },
  {
    against: 'names of sick backends that the caller may not see',
    file: 'src/backend/builtin/health.ts',
    find: 'statuses().filter(({ name }) => sight.reaches(name))',
    replace: 'statuses()',
    test: 'src/backend/builtin/backend.test.ts',
    fails: 'gateway_health tells a caller only',
  },
  {
    against: 'keys of collectors that others read on the way',
    file: 'src/config/otlp-schema.ts',
    find: 'if (!isExposed || Object.keys(value.headers).length === 0) return',
    replace: 'if (isExposed || true) return',
    test: CONFIG,
    fails: 'sends keys only where nobody reads them',
  },
  {
    against: 'secrets of telemetry in problems',
    file: 'src/config/validate.ts',
    find: "path[0] === 'telemetry' && path.some(",
    replace: "path[0] === 'nothing' && path.some(",
    test: CONFIG,
    fails: 'never shows a secret',
  },
]
