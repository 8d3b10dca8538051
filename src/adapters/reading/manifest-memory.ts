import type { DlmVersion } from '../../core/certificate/dlm-version.ts'

export type Manifest = {
  readonly version: DlmVersion
  /** As text. */
  readonly bytes: number
}

/**
 * Manifests by their hash. They never change, so nothing here grows stale: neither a block nor a reorganisation says
 * anything about them. Whoever was not asked for the longest goes first.
 */
export type ManifestMemory = {
  get(versionId: string): Manifest | undefined
  keep(manifest: Manifest): void
}

/** As text; parsed it takes a few times as much. */
export const MANIFEST_MEMORY_BYTES = 16 * 1024 * 1024

export function openManifestMemory(bytesMax = MANIFEST_MEMORY_BYTES): ManifestMemory {
  const kept = new Map<string, Manifest>()
  let total = 0
  const forget = (versionId: string) => {
    total -= kept.get(versionId)?.bytes ?? 0
    kept.delete(versionId)
  }
  return {
    get(versionId) {
      const found = kept.get(versionId)
      if (found === undefined) return undefined
      kept.delete(versionId)
      kept.set(versionId, found)
      return found
    },
    keep(manifest) {
      const { versionId } = manifest.version
      forget(versionId)
      kept.set(versionId, manifest)
      total += manifest.bytes
      for (const oldest of kept.keys()) {
        if (total <= bytesMax || oldest === versionId) return
        forget(oldest)
      }
    },
  }
}
