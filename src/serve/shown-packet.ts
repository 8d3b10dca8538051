import { certificateOf, manifestOf, provenOf, stageOf } from './event-trace.ts'
import type { CountConfirmations, PacketWork } from './packet-work.ts'

/** A packet, what was agreed on about it, and the certificates that were written for it. */
export async function shownPacket(
  work: PacketWork,
  transactions: ReadonlyMap<string, Uint8Array>,
  deps: { readonly countConfirmations: CountConfirmations },
) {
  const { packetId, header, shown, sealedBecause, sealedMs, rounds, conflicts } = work
  const live = work.certificates.find(({ versionId }) => versionId === shown?.versionId)
  return {
    packetId,
    header,
    sealed: { because: sealedBecause, sealedMs },
    state: shown?.state ?? 'received',
    orchestration: shown?.orchestration ?? null,
    contentHash: shown?.contentHash ?? null,
    versionId: shown?.versionId ?? null,
    manifest: live === undefined ? null : manifestOf(live.manifest),
    processedMs: shown?.processedMs ?? null,
    certifiedMs: shown?.certifiedMs ?? null,
    changedMs: shown?.changedMs ?? null,
    normalized: stageOf('normalize', work, transactions) ?? null,
    validated: stageOf('validate', work, transactions) ?? null,
    certified: stageOf('certify', work, transactions) ?? null,
    certificates: work.certificates.map(each => certificateOf(each, transactions)),
    proven: await provenOf(work, deps),
    rounds,
    conflicts,
  }
}
