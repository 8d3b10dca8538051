import { canonicalJson } from '../../../src/core/canonical-json.ts'
import { type DlmVersion, readManifest } from '../../../src/core/certificate/dlm-version.ts'
import { orThrow } from '../../../src/core/fault.ts'
import type { ReadVersions } from '../../../src/serve/lineage/collect-lineage.ts'
import type { Headers } from '../../../src/serve/lineage/known-version.ts'

/** A version that nobody certifies; its name makes it another one. */
export function versionOf(name: string, parents: readonly string[] = []): DlmVersion {
  const manifest = {
    datasetId: name,
    provenance: { createdAt: '2026-01-02T03:04:05Z', issuer: `02${'11'.repeat(32)}` },
    content: { contentHash: 'ab'.repeat(32) },
    parents: [...parents],
  }
  return orThrow(readManifest(canonicalJson(manifest)))
}

/** A version and this many below it, the newest first. */
export function chainOf(length: number): DlmVersion[] {
  const chain: DlmVersion[] = []
  for (let n = 0; n < length; n++) {
    const before = chain[0]
    chain.unshift(versionOf(`number ${n}`, before === undefined ? [] : [before.versionId]))
  }
  return chain
}

export function readingFrom(versions: readonly DlmVersion[]): ReadVersions {
  const known = new Map(versions.map(version => [version.versionId, version]))
  return async versionIds =>
    new Map(
      versionIds.flatMap(versionId => {
        const version = known.get(versionId)
        return version === undefined ? [] : [[versionId, { version, standing: 'declared', bytes: 100 }]]
      }),
    )
}

/** Each block's root is its height in words. */
export function headersUpTo(height: number): Headers {
  return {
    tip: async () => ({ height, hash: `tip ${height}` }),
    rootAt: async at => (at > height ? undefined : rootAt(at)),
    blockAt: async at => (at > height ? undefined : { root: rootAt(at), header: undefined }),
  }
}

export function rootAt(height: number): string {
  return `root ${height}`
}
