import type { Audience } from '../audience.ts'

/** Who asks: a proven identity and the tenants that it works for, or somebody of whom nothing is known. */
export type Reader = { readonly identityKey?: string; readonly tenantIds: readonly string[] }

export const anybody: Reader = { tenantIds: [] }

/** What decides who may read a stream. */
export type ReadableStream = {
  readonly audience: Audience
  readonly published: boolean
  readonly tenantId: string | null
  readonly readers: readonly string[]
}

/**
 * Whether the reader may learn anything of the stream, also that it exists. A reader that the stream names needs no
 * tenant; of its own tenant's streams anybody of it may read the public ones.
 */
export function mayRead(reader: Reader, { audience, published, tenantId, readers }: ReadableStream): boolean {
  if (!published) return false
  if (reader.identityKey !== undefined && readers.includes(reader.identityKey)) return true
  return audience === 'public' && (tenantId === null || reader.tenantIds.includes(tenantId))
}
