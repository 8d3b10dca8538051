import type { Registry } from '../../adapters/registry/registry.ts'
import type { Source } from '../../core/registry/source.ts'
import type { Problem } from '../problem.ts'
import { type Networks, networksOf } from './client-address.ts'
import { againstSource, noSource } from './sender.ts'

/** Whose events come with a request that names no source, where there is such a one. */
export const ANONYMOUS_SOURCE = 'default'

/**
 * The source that a request is of, if it may be: registered, enabled, and sent from where it sends from. Whoever asks
 * from elsewhere learns as little of it as of one that is not there.
 */
export async function admitSource(
  sourceId: string,
  address: string | undefined,
  deps: { readonly registry: Pick<Registry, 'source'>; readonly identityRequired: boolean },
): Promise<Source | Problem> {
  const source = await deps.registry.source(sourceId)
  if (source === undefined || !source.enabled) return noSource(sourceId)
  if (source.allowlist.length > 0 && (address === undefined || !allowedBy(source)(address)))
    return noSource(sourceId)
  return againstSource(source, deps) ?? source
}

const networksOfSources = new WeakMap<Source, Networks>()

function allowedBy(source: Source): Networks {
  let networks = networksOfSources.get(source)
  if (networks === undefined) {
    networks = networksOf(source.allowlist)
    networksOfSources.set(source, networks)
  }
  return networks
}
