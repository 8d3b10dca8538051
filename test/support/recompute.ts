import type { Pool } from 'pg'
import { canonicalJson, parseJson } from '../../src/core/canonical-json.ts'
import { orThrow } from '../../src/core/fault.ts'
import { type PacketHeader, readPacketHeader } from '../../src/core/log/packet-header.ts'
import type { PolicySet } from '../../src/core/policy/policy-set.ts'
import { readPolicySet } from '../../src/core/policy/read-policy-set.ts'
import { type CertifiedPacket, certifyPacket } from '../../src/core/work/certify-packet.ts'
import { normalizePacket } from '../../src/core/work/normalize-packet.ts'
import type { StageOutput } from '../../src/core/work/stage-output.ts'
import { validatePacket } from '../../src/core/work/validate-packet.ts'

/** One packet of the log, with what every honest agent makes of it. */
export type Recomputed = {
  readonly partitionId: number
  readonly packetNo: number
  readonly packetId: string
  readonly header: PacketHeader
  readonly policySet: PolicySet
  readonly lines: Uint8Array
  readonly normalized: StageOutput
  readonly validated: StageOutput
  readonly certified: CertifiedPacket
}

export type RecomputeOptions = {
  /** These have no certificate, so nothing builds on them. */
  readonly passedBy?: ReadonlySet<string>
  /** What agents agreed on instead of what a stage makes of its input. */
  readonly normalizedAs?: (packetId: string, output: StageOutput) => StageOutput
}

/**
 * All packets, in the order of each partition, from the log and the stages' functions alone: what a run that nothing goes
 * wrong in ends with.
 */
export async function recompute(
  pool: Pool,
  nodeUrl: string,
  { passedBy = new Set(), normalizedAs = (_, output) => output }: RecomputeOptions = {},
): Promise<Recomputed[]> {
  const { rows } = await pool.query<{ partition: number; no: string; id: string; header: string }>(
    `select partition_id as partition, packet_no as no, encode(packet_id, 'hex') as id, header from packets
      order by partition_id, packets.packet_no`,
  )
  const policies = await readPolicies(pool)
  const latest = new Map<number, Recomputed>()
  const done: Recomputed[] = []
  for (const { partition, no, id: packetId, header: text } of rows) {
    const header = orThrow(readPacketHeader(orThrow(parseJson(text))))
    const policySet = policies.get(header.policyDigest)
    if (policySet === undefined) throw new Error(`policy set ${header.policyDigest} is not stored`)
    const before = latest.get(partition)
    const parent =
      before === undefined ? null : { packetId: before.packetId, versionId: before.certified.versionId }
    const stateIn = before?.validated.stateOut ?? null
    const state = stateIn === null ? null : (before?.validated.stateBytes ?? null)
    const lines = await fetchLines(nodeUrl, packetId)
    const normalized = normalizedAs(packetId, orThrow(normalizePacket(header, lines, policySet)))
    const validated = orThrow(validatePacket(header, normalized.bytes, policySet, { parent, state }))
    const certified = orThrow(certifyPacket(header, lines, policySet, { parent, stateIn }, validated))
    const packet = { packetId, header, policySet, lines, normalized, validated, certified }
    const found = { partitionId: partition, packetNo: Number(no), ...packet }
    done.push(found)
    if (!passedBy.has(packetId)) latest.set(partition, found)
  }
  return done
}

async function readPolicies(pool: Pool): Promise<Map<string, PolicySet>> {
  const { rows } = await pool.query<{ digest: string; policy: unknown }>(
    `select encode(digest, 'hex') as digest, policy from policy_sets`,
  )
  return new Map(
    rows.map(({ digest, policy }) => {
      const text = typeof policy === 'string' ? policy : JSON.stringify(policy)
      return [digest, orThrow(readPolicySet(orThrow(parseJson(text))))]
    }),
  )
}

async function fetchLines(nodeUrl: string, packetId: string): Promise<Uint8Array> {
  const response = await fetch(`${nodeUrl}/rounds/packet/${packetId}`)
  if (!response.ok)
    throw new Error(`packet ${packetId} was answered with ${response.status}: ${await response.text()}`)
  return new Uint8Array(await response.arrayBuffer())
}

/** What two runs over one log must have in common. */
export function outcomesOf(packets: readonly Recomputed[]): string {
  return canonicalJson(
    packets.map(({ packetId, validated, certified }) => [
      packetId,
      validated.outputHash,
      validated.stateOut,
      certified.versionId,
    ]),
  )
}
