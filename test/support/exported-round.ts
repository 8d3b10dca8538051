import type { Counts, ExportRecord, PacketRecord } from '../../src/contract/audit/records.ts'

import { knownHex } from '../../src/core/bytes.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import type { PacketHeader } from '../../src/core/log/packet-header.ts'
import { policyDigest } from '../../src/core/policy/policy-set.ts'
import type { CertifiedRound, RoundPacket } from './certified-round.ts'

/** What an export tells of a log that holds this round and nothing else. */
export function* exportedRound(round: CertifiedRound): Generator<ExportRecord> {
  const { packets, chain, policySet, roundDocument, beef } = round
  const [first, last] = [packets[0]?.header, packets.at(-1)?.header]
  const subject = round.transactions.at(-1)
  if (first === undefined || last === undefined || subject === undefined)
    throw new Error('a round has packets')
  const { log, streamId, partition, level, audience, network, policyDigest: digest } = last
  const place = { log, streamId, partition, level, audience, network }
  const counts = { marks: packets.length, followed: packets.length, ledger: last.totals, tail: noCounts }
  const became = { held: 0, certified: last.totals.accepted, split: 0 }
  const headers = chain.headers()
  yield {
    ...{ kind: 'opening', format: 'assay-export', v: 1, network, streamId: null },
    headers: { first: headers.firstHeight, tip: headers.tipHeight },
    partitions: [{ ...place, ...counts, ...became }],
  }
  yield {
    kind: 'headers',
    firstHeight: headers.firstHeight,
    headers: knownHex(JSON.parse(chain.headersFile()).headers),
  }
  if (digest !== policyDigest(policySet)) throw new Error('the packets have another policy')
  yield { kind: 'policy', digest, policy: canonicalJson(policySet) }
  const { block } = round.proof(0, 0)
  yield {
    ...{ kind: 'certificate', txid: subject.txid, beef, raw: null, document: roundDocument },
    block: block === undefined ? null : knownHex(block),
  }
  let before: PacketHeader | undefined
  for (const [index, packet] of packets.entries()) {
    yield packetRecord(round, packet, index, before)
    before = packet.header
  }
  yield { kind: 'closing', records: 4 + packets.length }
}

const noCounts: Counts = { received: 0, accepted: 0, duplicate: 0, rejected: 0, quarantined: 0, waived: 0 }

function packetRecord(
  round: CertifiedRound,
  { packetId, header, bytes, validated, certified }: RoundPacket,
  index: number,
  before: PacketHeader | undefined,
): PacketRecord {
  const { streamId, partition, packetNo, totals, watermarkMs, policyDigest, rosterDigest } = header
  const proof = round.proof(index, 0)
  const { versionId } = certified
  return {
    ...{ kind: 'packet', streamId, partition, packetNo, packetId, lines: bytes, logged: 'same' },
    mark: { upToSeq: totals.accepted, watermarkMs, policyDigest, rosterDigest, totals },
    appended: less(totals, before?.totals ?? noCounts),
    header: canonicalJson(header),
    standing: { status: 'certified', packetId, events: header.count, versionId },
    certificate: {
      ...{ txid: round.transactions.at(-1)?.txid ?? '', versionId, state: 'proven', isSuperseded: false },
      ...{ index, count: round.packets.length, try: 1, path: [...proof.packet.path] },
      manifest: certified.manifestJson,
    },
    output: validated.bytes,
  }
}

function less(a: Counts, b: Counts): Counts {
  return {
    received: a.received - b.received,
    accepted: a.accepted - b.accepted,
    duplicate: a.duplicate - b.duplicate,
    rejected: a.rejected - b.rejected,
    quarantined: a.quarantined - b.quarantined,
    waived: a.waived - b.waived,
  }
}
