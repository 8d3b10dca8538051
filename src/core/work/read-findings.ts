import * as z from 'zod'
import { fromUtf8 } from '../bytes.ts'
import { parseJson } from '../canonical-json.ts'
import { qualityFlags } from '../event/quality-flags.ts'
import { NAME_CHARS_MAX } from '../event/read-envelope.ts'
import { qualityFlagsIn } from '../event/scan-line.ts'

/** What an agreed output says of sources that were compared. */
export type Findings = {
  /** Events and fused records with the flag SOURCE_DIVERGENCE. */
  readonly divergences: number
  readonly fused: readonly FusedFrom[]
}

/** Whose word a fused record rests on, and whose it overruled. */
export type FusedFrom = {
  /** The event that its value is taken from; null where nothing was decided. */
  readonly chosen: string | null
  readonly observations: readonly FusedObservation[]
}

export type FusedObservation = {
  readonly eventId: string
  readonly sourceId: string
  /** Why it was overruled; null where it was not. */
  readonly reason: string | null
}

/**
 * `count`: events of its packet; the lines behind theirs are fused records. Operators who agree may write what they like:
 * a line that is no such record says nothing here.
 */
export function readFindings(output: Uint8Array, count: number): Findings {
  const lines = (fromUtf8(output) ?? '').split('\n').slice(0, -1)
  let divergences = 0
  for (let i = 0; i < count; i++) if (diverges(qualityFlagsIn(lines[i] ?? ''))) divergences++
  const fused: FusedFrom[] = []
  for (const line of lines.slice(count)) {
    const json = parseJson(line)
    const record = json.ok ? recordShape.safeParse(json.value) : undefined
    if (!record?.success) continue
    const { chosen, from, overruled, qualityFlags } = record.data
    if (diverges(qualityFlags)) divergences++
    fused.push({ chosen, observations: [...from.map(each => ({ ...each, reason: null })), ...overruled] })
  }
  return { divergences, fused }
}

function diverges(flags: number | undefined): boolean {
  return flags !== undefined && (flags & qualityFlags.SOURCE_DIVERGENCE) !== 0
}

const eventId = z.string().regex(/^[0-9a-f]{64}$/)
/** The one character that PostgreSQL has none of is in no name that is registered. */
const sourceId = z
  .string()
  .max(NAME_CHARS_MAX)
  .refine(text => !text.includes('\0'))
const witness = { eventId, sourceId }
const recordShape = z.object({
  fused: z.literal(true),
  chosen: eventId.nullable(),
  from: z.array(z.object(witness)),
  overruled: z.array(
    z.object({
      ...witness,
      reason: z.enum(['superseded', 'disagrees', 'outranked', 'off-median', 'no-quorum']),
    }),
  ),
  qualityFlags: z.int().min(0),
})
