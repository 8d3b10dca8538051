import { buffer } from 'node:stream/consumers'
import type { Pool } from 'pg'
import { parseJson } from '../../core/canonical-json.ts'
import { orThrow } from '../../core/fault.ts'
import { readPacketHeader } from '../../core/log/packet-header.ts'
import type { PolicySet } from '../../core/policy/policy-set.ts'
import { readPolicySet } from '../../core/policy/read-policy-set.ts'
import { POLICY_CHARS_MAX } from '../../core/schema.ts'
import type { LocalPacket, LocalPrecursor, LocalStore, ProcessedPacket } from '../../jobs/local/ports.ts'
import { noteValidated, type Validated } from '../outside/note-validated.ts'
import { inTransaction, numbers, type Queryable } from '../postgres/sql.ts'
import type { ContentStore } from '../uhrp/content-store.ts'
import { type Holder, nodeHolder } from '../uhrp/holder.ts'

export type LocalStoreDeps = {
  readonly pool: Pool
  readonly content: Pick<ContentStore, 'put' | 'open'>
  /** The bytes of a packet by their hash. */
  readPayload(rawHash: string): Promise<Uint8Array | undefined>
  /** Whether a certifier outside is asked about what is validated: then outputs are kept for that. */
  readonly asksOutside?: boolean
  now(): number
  /** It is tried again; the other partitions go on. */
  onFailure(error: unknown, partitionId: number): void
  readonly packetsMax?: number
  readonly partitionsMax?: number
}

/** Of one partition at a time: so long nobody else works on it, and a connection is held. */
const PACKETS_MAX = 16
/** A node that was down for longer goes on without it, and says so in the flags of its output. */
const STATE_KEPT_MS = 30 * 86_400_000

export function openLocalStore(deps: LocalStoreDeps): LocalStore {
  const { pool, onFailure, partitionsMax = PARTITIONS_MAX } = deps
  const failing = new Map<number, number>()

  const workOn = ({ partitionId, next }: DuePartition, work: Parameters<LocalStore['withNext']>[0]) =>
    inTransaction(pool, async db => {
      if (!(await lock(db, partitionId))) return false
      const packets = await readPackets(db, partitionId, next, deps)
      if (packets.length === 0) return false
      await work({
        packets,
        before: await readBefore(db, partitionId, next, deps),
        write: done => write(db, partitionId, done, deps),
      })
      return true
    })

  return {
    async withNext(work) {
      for (const [partitionId, againMs] of failing)
        if (againMs <= performance.now()) failing.delete(partitionId)
      for (const due of await findDue(pool, [...failing.keys()], partitionsMax)) {
        try {
          if (await workOn(due, work)) return 'worked'
        } catch (error) {
          failing.set(due.partitionId, performance.now() + AGAIN_MS)
          onFailure(error, due.partitionId)
        }
      }
      return 'none'
    },
  }
}

/** A partition that cannot be processed keeps no other from it. */
const AGAIN_MS = 5_000

type DuePartition = { readonly partitionId: number; readonly next: number }

/** In one look. */
const PARTITIONS_MAX = 64

/** But for these, those whose packets have waited the longest; of each, the packet behind the last one with an outcome. */
async function findDue(db: Queryable, without: readonly number[], limit: number): Promise<DuePartition[]> {
  const { rows } = await db.query<DuePartition>({
    name: 'local-due',
    text: `select partition.id as "partitionId", first.packet_no as next
      from partitions as partition
      left join lateral (
        select packet_no from packet_states as shown
          where shown.partition_id = partition.id and shown.state not in ('received', 'normalized')
          order by packet_no desc limit 1) as last on true
      cross join lateral (
        select packet_no, sealed_ms from packets as packet
          where packet.partition_id = partition.id and packet.packet_no > coalesce(last.packet_no, -1)
          order by packet_no limit 1) as first
      where partition.id <> all ($2::integer[])
      order by first.sealed_ms, partition.id limit $1`,
    values: [limit, numbers(without)],
  })
  return rows
}

/** For as long as the transaction lasts. */
async function lock(db: Queryable, partitionId: number): Promise<boolean> {
  const { rows } = await db.query<{ locked: boolean }>({
    name: 'local-lock',
    text: `select pg_try_advisory_xact_lock(hashtextextended('assay: local ' || $1::integer, 0)) as locked`,
    values: [partitionId],
  })
  return rows[0]?.locked === true
}

type PacketRow = {
  readonly packetId: string
  readonly header: string
  readonly rawHash: string
  readonly policy: string | null
}

/** Without those that somebody else has processed since we looked. */
async function readPackets(
  db: Queryable,
  partitionId: number,
  next: number,
  { readPayload, packetsMax = PACKETS_MAX }: LocalStoreDeps,
): Promise<LocalPacket[]> {
  const { rows } = await db.query<PacketRow>({
    name: 'local-packets',
    text: `select encode(packet_id, 'hex') as "packetId", header, encode(raw_hash, 'hex') as "rawHash", policy
      from packets as packet
      left join policy_sets on digest = decode(header::jsonb ->> 'policyDigest', 'hex')
      where partition_id = $1 and packet_no >= $2 and not exists (select from packet_states as shown
        where shown.partition_id = $1 and shown.packet_no >= packet.packet_no
          and shown.state not in ('received', 'normalized'))
      order by packet_no limit $3`,
    values: [partitionId, next, packetsMax],
  })
  const policies = new Map<string, PolicySet>()
  return rows.map(({ packetId, header, rawHash, policy }) => {
    if (policy === null) throw new Error(`the policy set of packet ${packetId} is not in the database`)
    const known = policies.get(policy) ?? readPolicy(policy)
    policies.set(policy, known)
    return {
      packetId,
      header: orThrow(readPacketHeader(orThrow(parseJson(header)))),
      policySet: known,
      async read() {
        const bytes = await readPayload(rawHash)
        if (bytes === undefined)
          throw new Error(`the lines of packet ${packetId} are not in UHRP_DIR any more; restore ${rawHash}`)
        return bytes
      },
    }
  })
}

function readPolicy(policy: string): PolicySet {
  return orThrow(readPolicySet(orThrow(parseJson(policy, 4 * POLICY_CHARS_MAX))))
}

type BeforeRow = {
  readonly packetNo: number
  readonly packetId: string
  readonly versionId: string | null
  /** Null where it left none. */
  readonly state: string | null
  readonly isKnown: boolean
}

async function readBefore(
  db: Queryable,
  partitionId: number,
  next: number,
  { content, now }: LocalStoreDeps,
): Promise<LocalPrecursor> {
  const { rows } = await db.query<BeforeRow>({
    name: 'local-before',
    text: `select packet_no as "packetNo", encode(packet_id, 'hex') as "packetId", encode(version_id, 'hex') as "versionId",
          encode(state_out, 'hex') as state, true as "isKnown"
        from packet_standings where partition_id = $1 and version_id is not null
          and packet_no = (select max(packet_no) from packet_standings
            where partition_id = $1 and packet_no < $2 and version_id is not null)
      union all
      select packet.packet_no, encode(packet.packet_id, 'hex'), null,
          case when kept.length > 0 then encode(kept.sha256, 'hex') end, kept.sha256 is not null
        from packet_states as shown join packets as packet using (partition_id, packet_no)
        left join lateral (
          select sha256, length from uhrp_retentions join uhrp_objects using (sha256)
            where holder = $3 || packet.packet_no and state = 'held' and retain_until_ms > $4
            order by stored_ms desc limit 1) as kept on true
        where shown.partition_id = $1 and shown.packet_no < $2 and shown.orchestration = 'local'
          and shown.state = 'validated'
          and shown.packet_no = (select max(packet_no) from packet_states
            where partition_id = $1 and packet_no < $2 and orchestration = 'local' and state = 'validated')
      order by 1 desc, 3 nulls last`,
    values: [partitionId, next, holderOf(partitionId, ''), now()],
  })
  for (const { packetId, versionId, state, isKnown } of rows) {
    const bytes = state === null ? null : await readState(state, content)
    if (isKnown && bytes !== undefined)
      return { parent: { packetId, versionId: versionId ?? '' }, state: bytes }
  }
  return { parent: null, state: null }
}

async function readState(
  sha256: string,
  content: Pick<ContentStore, 'open'>,
): Promise<Uint8Array | undefined> {
  const opened = await content.open(sha256, 'node')
  return opened.kind === 'open' ? buffer(opened.object.file.createReadStream()) : undefined
}

/** Longer than a certifier outside is asked again and again. */
const OUTPUT_KEPT_MS = 7 * 86_400_000

/** What a certifier outside is to be asked about, on disk by its hash. */
async function keepOutputs(
  partitionId: number,
  done: readonly ProcessedPacket[],
  { content, now }: LocalStoreDeps,
): Promise<Validated[]> {
  const kept: Validated[] = []
  for (const { packetId, packetNo, output } of done) {
    const stored = await content.put(output, {
      holder: nodeHolder(`local output of partition ${partitionId}, packet ${packetNo}`),
      audience: 'restricted',
      readers: [],
      advertise: false,
      retainUntilMs: now() + OUTPUT_KEPT_MS,
    })
    kept.push({ packetId, output: orThrow(stored).sha256 })
  }
  return kept
}

/** The state is on disk before anybody may go on from it. */
async function write(
  db: Queryable,
  partitionId: number,
  done: readonly ProcessedPacket[],
  deps: LocalStoreDeps,
): Promise<void> {
  const { content, now } = deps
  const last = done.at(-1)
  if (last === undefined) return
  orThrow(
    await content.put(last.state, {
      holder: holderOf(partitionId, String(last.packetNo)),
      audience: 'restricted',
      readers: [],
      advertise: false,
      retainUntilMs: now() + STATE_KEPT_MS,
    }),
  )
  await db.query({
    name: 'local-write',
    // What a quorum has said meanwhile stands.
    text: `insert into packet_states as shown
        (partition_id, packet_no, state, ingested_at, processed_at, changed_at, orchestration)
      select $1, packet_no, 'validated', to_timestamp(sealed_ms / 1000.0), to_timestamp($3::bigint / 1000.0),
          to_timestamp($3::bigint / 1000.0), 'local'
        from packets where partition_id = $1 and packet_no = any ($2::bigint[]) order by packet_no
      on conflict (partition_id, packet_no) do update set state = 'validated', orchestration = 'local',
          processed_at = excluded.processed_at, changed_at = excluded.changed_at
        where shown.state in ('received', 'normalized')`,
    values: [partitionId, numbers(done.map(({ packetNo }) => packetNo)), now()],
  })
  if (deps.asksOutside === true) await noteValidated(db, await keepOutputs(partitionId, done, deps), now())
}

function holderOf(partitionId: number, packetNo: string): Holder {
  return nodeHolder(`local state of partition ${partitionId} after packet ${packetNo}`)
}
