import type { Pool } from 'pg'
import { outpointText } from '../../src/contract/transaction.ts'
import { quorums } from '../../src/core/level.ts'
import { verdicts } from '../../src/core/rounds/agreement.ts'
import { trailOf } from '../../src/core/rounds/judging/trail.ts'
import { auditFuel } from '../adapters/fuel/audit-fuel.ts'
import { auditLog } from './audit-log.ts'
import { blamedUnasked } from './blamed-unasked.ts'
import { type ChainView, readChain } from './read-chain.ts'
import { type Recomputed, type RecomputeOptions, recompute } from './recompute.ts'

/**
 * Everything that is wrong, of what has to hold at any moment: no packet has two live certificates, each certificate has a
 * quorum behind every stage of its members, no coin of ours is spent twice, and nobody is blamed for what it was not asked.
 */
export async function auditAnytime(pool: Pool): Promise<string[]> {
  const chain = await readChain(pool)
  return [
    ...twiceCertified(chain),
    ...withoutQuorum(chain),
    ...(await auditFuel(pool)),
    ...(await blamedUnasked(pool)),
  ]
}

/**
 * The same, and what has to hold once nothing is under way: every packet is certified with what honest agents make of it, on
 * the one before it, as if nothing had ever gone wrong; nobody is owed an answer, and every event is accounted for.
 */
export async function auditAtRest(
  pool: Pool,
  { url, databaseUrl }: { readonly url: string; readonly databaseUrl: string },
  options: RecomputeOptions = {},
): Promise<string[]> {
  const chain = await readChain(pool)
  const packets = await recompute(pool, url, options)
  const { faults, eventIds } = await auditLog(databaseUrl)
  return [
    ...faults,
    ...(await auditAnytime(pool)),
    ...(await againstRecomputed(pool, packets, chain, options.passedBy ?? new Set())),
    ...orphans(chain),
    ...(await leftOver(pool)),
    ...(await against(pool, eventIds.length)),
  ]
}

function twiceCertified({ certificates }: ChainView): string[] {
  const live = new Map<string, string>()
  return certificates.flatMap(({ txid, token, isSpent }) => {
    const { packetId } = token.body
    const other = live.get(packetId)
    if (!isSpent) live.set(packetId, txid)
    return isSpent || other === undefined
      ? []
      : [`packet ${packetId} has two live certificates, ${other} and ${txid}`]
  })
}

/** Walks the spends back from each certificate, over what the chain holds and nothing else. */
function withoutQuorum({ certificates, history }: ChainView): string[] {
  const faults: string[] = []
  for (const { txid, transaction } of new Map(certificates.map(each => [each.txid, each])).values()) {
    const { role } = transaction
    if (role.kind !== 'certificate') continue
    const trail = trailOf(transaction, history)
    const stages = trail.map(({ facts }) => facts.stage).join()
    const wanted = role.template === 'packet' ? 'certify,validate,normalize' : 'certify'
    if (stages !== wanted) faults.push(`behind certificate ${txid} are ${stages}, not ${wanted}`)
    const members = role.members.map(({ index }) => index)
    for (const { facts, answers, asked } of trail) {
      if (asked !== quorums[role.level].seats)
        faults.push(`at ${facts.stage} of ${txid}, ${asked} were asked, which is not ${role.level}`)
      const said = verdicts(role.level, facts.members.length, answers)
      const undecided = members.filter(member => said[facts.members.indexOf(member)]?.kind !== 'agreed')
      if (undecided.length > 0)
        faults.push(`at ${facts.stage} of ${txid}, members ${undecided} have no quorum`)
    }
  }
  return faults
}

type StandingRow = {
  id: string
  status: string | null
  version: string | null
  certificate: string | null
  state: string | null
  said: string | null
  content: string | null
}

async function againstRecomputed(
  pool: Pool,
  packets: readonly Recomputed[],
  chain: ChainView,
  passedBy: ReadonlySet<string>,
): Promise<string[]> {
  const { rows } = await pool.query<StandingRow>(
    `select encode(packet.packet_id, 'hex') as id, standing.status, encode(standing.version_id, 'hex') as version,
        encode(standing.certificate, 'hex') as certificate, became.state, encode(became.version_id, 'hex') as said,
        encode(became.content_hash, 'hex') as content
      from packets as packet left join packet_standings as standing on standing.packet_id = packet.packet_id
      left join packet_states as became
        on became.partition_id = packet.partition_id and became.packet_no = packet.packet_no`,
  )
  const byId = new Map(rows.map(row => [row.id, row]))
  const faults: string[] = []
  for (const { packetId, packetNo, partitionId, validated, certified } of packets) {
    const row = byId.get(packetId)
    const name = `packet ${partitionId}/${packetNo}`
    const onChain = chain.certificates.filter(
      ({ token, isSpent }) => token.body.packetId === packetId && !isSpent,
    )
    if (passedBy.has(packetId)) {
      if (row?.status !== 'split' || row.state !== 'split')
        faults.push(`${name} is ${row?.status} and shown as ${row?.state}, not split`)
      if (onChain.length > 0) faults.push(`${name} is split, and has a certificate`)
      continue
    }
    if (row?.status !== 'certified' || !['anchored', 'proven'].includes(row.state ?? ''))
      faults.push(`${name} is ${row?.status}, and shown as ${row?.state}`)
    if (row?.version !== certified.versionId || row.said !== certified.versionId)
      faults.push(
        `${name} has version ${row?.version}, shows ${row?.said}, and honest work makes ${certified.versionId}`,
      )
    if (row?.content !== validated.outputHash)
      faults.push(`${name} shows content ${row?.content}, and honest work makes ${validated.outputHash}`)
    const [certificate] = onChain
    if (certificate === undefined || onChain.length > 1)
      faults.push(`${name} has ${onChain.length} live certificates on the chain`)
    else if (certificate.token.subject !== certified.versionId || certificate.txid !== row?.certificate)
      faults.push(
        `${name} names certificate ${row?.certificate}, and the chain has ${certificate.txid} of ${certificate.token.subject}`,
      )
  }
  return faults
}

/** Jobs whose thread nobody has spent. */
function orphans({ history, spenders }: ChainView): string[] {
  return [...history.values()].flatMap(({ txid, role }) =>
    role.kind === 'job' && !spenders.has(outpointText({ txid, vout: role.seats.length }))
      ? [`the thread of ${role.facts.stage} job ${txid} is unspent`]
      : [],
  )
}

async function leftOver(pool: Pool): Promise<string[]> {
  const faults: string[] = []
  for (const [what, text] of [
    ['rounds that are not over', `select count(*)::int as count from rounds where state <> 'over'`],
    [
      'seats of decided jobs that still wait',
      `select count(*)::int as count from round_seats as seat join round_jobs as job on job.txid = seat.job_tx
        where seat.state in ('queued', 'running') and job.decided_ms is not null`,
    ],
    [
      'jobs without an end',
      `select count(*)::int as count from round_jobs where outcome is null or decided_ms is null`,
    ],
    [
      'transactions that were never sent',
      `select count(*)::int as count from fuel_transactions where state = 'stored'`,
    ],
    [
      'certified outputs that are not kept',
      `select count(*)::int as count from packet_states as became where became.state in ('anchored', 'proven')
        and not exists (select 1 from uhrp_objects as kept where kept.sha256 = became.content_hash and kept.state = 'held')`,
    ],
    [
      'versions without their manifest',
      `select count(*)::int as count from packet_standings as standing where version_id is not null
        and not exists (select 1 from dlm_versions as said where said.version_id = standing.version_id)`,
    ],
  ] as const) {
    const { rows } = await pool.query<{ count: number }>(text)
    if (rows[0]?.count !== 0) faults.push(`there are ${rows[0]?.count} ${what}`)
  }
  return faults
}

/** Received = duplicate + rejected + quarantined + waived + split + certified, once nothing is in flight. */
async function against(pool: Pool, accepted: number): Promise<string[]> {
  const { rows } = await pool.query<{ certified: number; split: number }>(
    `select coalesce(sum(packet.count) filter (where standing.status = 'certified'), 0)::int as certified,
        coalesce(sum(packet.count) filter (where standing.status = 'split'), 0)::int as split
      from packets as packet join packet_standings as standing on standing.packet_id = packet.packet_id`,
  )
  const { certified = 0, split = 0 } = rows[0] ?? {}
  return certified + split === accepted
    ? []
    : [`${accepted} events were accepted; ${certified} are certified and ${split} split`]
}
