import { sha256Hex } from '#sha256'
import { utf8 } from '../../src/core/bytes.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import { accepted } from '../../src/core/fault.ts'
import type { Stage } from '../../src/core/rounds/template.ts'
import type { AnswerPacket, PacketAnswer, PacketTask } from './packet-task.ts'

export type CacheOptions = {
  readonly bytesMax: number
  now(): number
  /** A packet was looked up. */
  onLookup(found: 'hit' | 'miss'): void
}

export type CachedAnswers = {
  readonly answer: AnswerPacket
  bytes(): number
}

/** What is likely to come back, and how soon: a certificate may have to be built again days later. */
export const cacheTtlMs: Readonly<Record<Stage, number>> = {
  normalize: 5 * 60_000,
  validate: 30 * 60_000,
  certify: 24 * 3_600_000,
}

/** Of an entry: its key, and what holds it. */
const ENTRY_BYTES = 512

/**
 * The same function, remembering what it answers: a packet that comes back in another round, as one that others did not
 * agree on does, or one whose certificate is built again, is not worked on twice. Faults are not remembered.
 */
export function cached(answer: AnswerPacket, { bytesMax, now, onLookup }: CacheOptions): CachedAnswers {
  // In the order in which they were last asked for.
  const entries = new Map<string, { readonly value: PacketAnswer; readonly untilMs: number }>()
  let held = 0
  const drop = (key: string) => {
    const entry = entries.get(key)
    if (entry === undefined) return
    entries.delete(key)
    held -= sizeOf(entry.value)
  }
  const keep = (key: string, value: PacketAnswer, untilMs: number) => {
    const size = sizeOf(value)
    if (size > bytesMax) return
    drop(key)
    for (const oldest of entries.keys()) {
      if (held + size <= bytesMax) break
      drop(oldest)
    }
    entries.set(key, { value, untilMs })
    held += size
  }
  return {
    bytes: () => held,
    answer(task) {
      const key = keyOf(task)
      const known = entries.get(key)
      if (known !== undefined && known.untilMs > now()) {
        onLookup('hit')
        entries.delete(key)
        entries.set(key, known)
        return accepted(known.value)
      }
      drop(key)
      onLookup('miss')
      const answered = answer(task)
      if (answered.ok) keep(key, answered.value, now() + cacheTtlMs[task.stage])
      return answered
    },
  }
}

/** All that an answer depends on, by hash: the packetId stands for header and lines, the digest for the policy set. */
function keyOf({ stage, level, header, packetId, place, agreed, normalizeLeaf }: PacketTask): string {
  const parts = [stage, level, packetId, header.policyDigest, place.parent, place.stateIn]
  return sha256Hex(utf8(canonicalJson([...parts, agreed?.leaf ?? null, normalizeLeaf ?? null])))
}

function sizeOf({ output, state }: PacketAnswer): number {
  return ENTRY_BYTES + output.length + state.length
}
