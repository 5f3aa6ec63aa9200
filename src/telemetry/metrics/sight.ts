import type { Policy } from '../../auth/policy/policy.ts'
import { EVERYTHING, type Sight } from '../../backend/builtin/metrics.ts'
import type { Principal, Route } from '../../pipeline/call.ts'
import type { Catalog } from '../../routing/catalog.ts'
import { OTHER } from '../conventions.ts'

const AGGREGATE: Route = { kind: 'aggregate' }

/** What a principal may know of backends and tools: what it may see on the aggregate, where `gateway_metrics` is. */
export function sightOf(
  principal: Principal,
  { policy, catalog }: { readonly policy: Policy | undefined; readonly catalog: Pick<Catalog, 'peek'> },
): Sight {
  if (policy === undefined) return EVERYTHING
  const rights = policy.rightsOf(principal, AGGREGATE)
  return {
    reaches: (backend) => rights.reaches(backend),
    sees(backend, key) {
      // Nobody knows any more whose calls these were.
      if (key === OTHER) return false
      const known = catalog.peek('tools', { kind: 'backend', backend }, key)?.entry
      return rights.sees(known ?? { kind: 'tools', backend, key })
    },
  }
}
