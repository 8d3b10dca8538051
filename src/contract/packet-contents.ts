import { sha256Hex } from '#sha256'
import { fromUtf8, toHex } from '../core/bytes.ts'
import type { Envelope } from '../core/event/envelope.ts'
import { accepted, type Outcome } from '../core/fault.ts'
import { hashLines, openPacket } from '../core/log/packet.ts'
import type { PacketHeader } from '../core/log/packet-header.ts'
import { merkleRoot } from '../core/merkle.ts'
import { type OutputLine, outputBounds, readOutputLine } from '../core/work/stage-output.ts'
import { answersEvent, invalid } from './evidence.ts'
import { type PacketProof, readPacketProof } from './proof.ts'
import { type Trust, type ValidPacketProof, verifyPacketProof } from './verify.ts'

/** A packet with everything that is in it, each byte of it under what was certified. */
export type PacketContents = {
  readonly verdict: ValidPacketProof
  readonly header: PacketHeader
  /** As they were sent. Event i is answered by line i of the output. */
  readonly events: readonly Envelope[]
  /** As they were certified; behind the answers stand fused records. */
  readonly output: readonly string[]
  answerTo(index: number): Outcome<OutputLine>
}

/** What a packet's proof names by its hashes. */
export type PacketMaterial = { readonly lines: Uint8Array; readonly output: Uint8Array }

/**
 * Says of all events of a packet what `verifyProof` says of one, at the price of one: paths are not needed where the whole
 * tree is at hand. `trust` is the reader's.
 */
export function openPacketProof(
  text: string,
  { lines, output }: PacketMaterial,
  trust: Trust = {},
): Outcome<PacketContents> {
  const verdict = verifyPacketProof(text, trust)
  if (verdict.kind !== 'valid') return { ok: false, fault: verdict.fault }
  const proof = readPacketProof(text)
  if (!proof.ok) return proof
  const { header } = proof.value.packet
  const events = openPacket(header, lines)
  if (!events.ok) return events
  const answers = outputLines(proof.value, output)
  if (!answers.ok) return answers
  return accepted({
    verdict,
    header,
    events: events.value,
    output: answers.value,
    answerTo(index) {
      const line = readOutputLine(answers.value[index] ?? '', header.constants)
      const event = events.value[index]
      if (!line.ok) return line
      return event !== undefined && answersEvent(line.value, event)
        ? line
        : invalid(`line ${index} of the output answers another event`, `/output/${index}`)
    },
  })
}

function outputLines({ manifest }: PacketProof, output: Uint8Array): Outcome<readonly string[]> {
  const { content } = manifest
  if (sha256Hex(output) !== content.contentHash)
    return invalid(
      'the output is not the one that was certified: its bytes have another hash',
      '/manifest/content',
    )
  const leaves = hashLines(output, outputBounds)
  if (!leaves.ok) return leaves
  if (leaves.value.length !== 32 * content.count || toHex(merkleRoot(leaves.value)) !== content.merkleRoot)
    return invalid('the lines of the output have another root than the manifest names', '/manifest/content')
  return accepted((fromUtf8(output) ?? '').split('\n').slice(0, -1))
}
