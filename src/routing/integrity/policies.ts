import type { Config, IntegrityPolicy } from '../../config/types.ts'

/**
 * The general policy with what each backend has of its own, in the order of the configuration.
 *
 * @param own the backend of the gateway's own tools, if it has any: they are the originals, and believed
 */
export function policiesOf(
  { backends, integrity }: Config,
  own: string | undefined,
): ReadonlyMap<string, IntegrityPolicy> {
  const { lock: _, ...general } = integrity
  const believed: IntegrityPolicy = { ...general, onChange: 'allow', onNew: 'allow', onShadow: 'allow' }
  return new Map([
    ...(own === undefined ? [] : [[own, believed] as const]),
    ...backends.map((backend) => [backend.name, { ...general, ...backend.integrity }] as const),
  ])
}
