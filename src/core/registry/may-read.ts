import type { Audience } from '../audience.ts'

/** Who asks; nothing is known of somebody who has proven nothing. */
export type Reader = { readonly tenantId?: string; readonly identityKey?: string }

export const anybody: Reader = {}

/** Whether the reader may learn anything of the stream, also that it exists. */
export function mayRead(
  reader: Reader,
  stream: {
    readonly audience: Audience
    readonly published: boolean
    readonly tenantId: string | null
    readonly readers: readonly string[]
  },
): boolean {
  if (!stream.published || stream.tenantId !== (reader.tenantId ?? null)) return false
  if (stream.audience === 'public') return true
  return reader.identityKey !== undefined && stream.readers.includes(reader.identityKey)
}
