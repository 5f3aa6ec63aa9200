import { randomUUID } from 'node:crypto'
import type { Config } from '../config/types.ts'

/** One per configuration: what it tells in several ways comes from one gateway. */
const resources = new WeakMap<object, Readonly<Record<string, string>>>()

/** Who a gateway is, as OpenTelemetry knows it: its own attributes, and those of the configuration above them. */
export function resourceOf(
  config: Pick<Config, 'gateway' | 'telemetry'>,
  version: string,
): Readonly<Record<string, string>> {
  let resource = resources.get(config)
  if (resource === undefined) {
    resource = {
      'service.name': config.gateway.name,
      'service.version': version,
      'service.instance.id': randomUUID(),
      ...config.telemetry?.resource,
    }
    resources.set(config, resource)
  }
  return resource
}
