import type { KnownVersion } from './known-version.ts'

export type Lineage = {
  /** The one asked for first, then generation by generation. */
  readonly versions: readonly KnownVersion[]
  /** Parents that were not gone to, as they are further away than asked. */
  readonly beyond: readonly string[]
}

export type Collected =
  | ({ readonly kind: 'collected' } & Lineage)
  /** Nobody who asks may read it, or nobody has told this node of it. */
  | { readonly kind: 'missing'; readonly versionId: string }
  /** At this distance there was more than the bounds allow. */
  | { readonly kind: 'too-large'; readonly atDepth: number }

export type LineageBounds = {
  readonly versionsMax: number
  /** Of manifests and, after them, of transactions. */
  readonly bytesMax: number
}

/** Of these, those that there are for whoever asks, with the bytes of their manifests. */
export type ReadVersions = (
  versionIds: readonly string[],
) => Promise<ReadonlyMap<string, KnownVersion & { readonly bytes: number }>>

/** So many are read at once: what comes back is bounded before it is counted. */
const READ_AT_ONCE = 16

/**
 * A version and what it descends from, `depth` generations of it. Parents are read off manifests whose hash is what
 * their children name, so nothing can descend from itself; each is gone to once all the same.
 */
export async function collectLineage(
  target: string,
  depth: number,
  readVersions: ReadVersions,
  { versionsMax, bytesMax }: LineageBounds,
): Promise<Collected> {
  const found = new Map<string, KnownVersion>()
  let wanted: readonly string[] = [target]
  let bytes = 0
  for (let distance = 0; distance <= depth && wanted.length > 0; distance++) {
    if (found.size + wanted.length > versionsMax) return { kind: 'too-large', atDepth: distance }
    for (let at = 0; at < wanted.length; at += READ_AT_ONCE) {
      const asked = wanted.slice(at, at + READ_AT_ONCE)
      const known = await readVersions(asked)
      for (const versionId of asked) {
        const one = known.get(versionId)
        if (one === undefined) return { kind: 'missing', versionId }
        found.set(versionId, one)
        bytes += one.bytes
      }
      if (bytes > bytesMax) return { kind: 'too-large', atDepth: distance }
    }
    wanted = parentsOf(wanted, found)
  }
  return { kind: 'collected', versions: [...found.values()], beyond: wanted }
}

function parentsOf(children: readonly string[], found: ReadonlyMap<string, KnownVersion>): string[] {
  const parents = children.flatMap(child => found.get(child)?.version.parents ?? [])
  return [...new Set(parents)].filter(parent => !found.has(parent))
}
