import * as z from 'zod'
import { sha256Hex } from '#sha256'
import type { AgreedOutput, DueCertificate, DueMember, RoundLease } from '../../certify/ports.ts'
import { readTransaction, type Transaction } from '../../contract/transaction.ts'
import type { Audience } from '../../core/audience.ts'
import { fromUtf8 } from '../../core/bytes.ts'
import { parseCanonicalJson } from '../../core/canonical-json.ts'
import {
  certifyAggregate,
  readAggregateDocument,
  readAggregateManifest,
} from '../../core/certificate/aggregate.ts'
import { MANIFEST_BYTES_MAX } from '../../core/certificate/dlm-version.ts'
import { readCertifiedManifest } from '../../core/certificate/manifest.ts'
import { type Outcome, orThrow } from '../../core/fault.ts'
import type { Level } from '../../core/level.ts'
import { readPacketHeader } from '../../core/log/packet-header.ts'
import type { Template } from '../../core/rounds/template.ts'
import { together } from '../../runtime/together.ts'
import { bytea, byteas, type Queryable } from '../postgres/sql.ts'
import { isOpenSql } from '../reading/readable.ts'
import { type VersionRow, versionOf } from '../rounds/standing-rows.ts'

/** Part of an object that an agent has stored; undefined where the object is not here, or ends before it. */
export type ReadPart = (sha256: string, at: number, bytes: number) => Promise<Uint8Array | undefined>

/** What is stored does not make a certificate, and will not the next time. */
export class Unreadable extends Error {}

type Deps = { readonly db: Queryable; readonly readPart: ReadPart }

/** A decided round with all that its certificate is made from. */
export async function readDue(lease: RoundLease, deps: Deps): Promise<DueCertificate> {
  const { db } = deps
  const round = await readRound(lease, db)
  const decision = decisionShape.safeParse(round.decision)
  if (!decision.success) throw new Unreadable(`the decision of round ${lease.roundId} is not to certify`)
  const { members, spends } = decision.data
  const raws = await readRaws([round.jobTx, ...spends], db)
  const rows = await readMembers(lease.roundId, round.template, members, db)
  return {
    lease,
    template: round.template,
    level: round.level,
    audience: round.audience,
    rebuild: round.rebuild,
    job: transactionIn(raws, round.jobTx),
    threadVout: round.seats,
    results: spends.map(txid => transactionIn(raws, txid)),
    members: await membersOf(rows, round, deps),
  }
}

/** What agents have stored of all members is looked up together, each time. */
async function membersOf(
  rows: readonly MemberRow[],
  round: RoundRow,
  { db, readPart }: Deps,
): Promise<DueMember[]> {
  const manifests = await findManifests(rows, round, db)
  const findOutput = together((wanted: readonly WantedOutput[]) => findOutputs(wanted, round, db), {
    ...{ itemsMax: rows.length, runsMax: 1, againEach: true },
  })
  return Promise.all(
    rows.map((row, i) => readMember(row, round, { db, readPart, findOutput, manifest: manifests[i] ?? [] })),
  )
}

const hash = z.string().regex(/^[0-9a-f]{64}$/)
const decisionShape = z.looseObject({
  kind: z.literal('certify'),
  members: z.array(z.looseObject({ index: z.int().min(0), versionId: hash })).min(1),
  spends: z.array(hash).min(1),
})

type RoundRow = {
  readonly roundId: string
  readonly template: Template
  readonly level: Level
  readonly audience: Audience
  readonly rebuild: number
  readonly decision: unknown
  readonly jobTx: string
  readonly seats: number
}

async function readRound({ roundId }: RoundLease, db: Queryable): Promise<RoundRow> {
  const { rows } = await db.query<RoundRow>({
    name: 'certify-round',
    text: `select encode(round_id, 'hex') as "roundId", template, level, audience, decision,
        encode(job_tx, 'hex') as "jobTx",
        -- A number that a dead certificate had is never used again.
        greatest(rebuild, (select coalesce(max(fuel.rebuild) + 1, 0) from fuel_transactions as fuel
          where fuel.subject = round_id and fuel.stage = 'certificate' and fuel.state = 'dead'))::int as rebuild,
        (select count(*)::int from round_seats where round_seats.job_tx = rounds.job_tx) as seats
      from rounds where round_id = $1`,
    values: [bytea(roundId)],
  })
  const [row] = rows
  if (row === undefined) throw new Unreadable(`there is no round ${roundId}`)
  if (row.jobTx === null) throw new Unreadable(`round ${roundId} is decided and has no job`)
  return row
}

async function readRaws(txids: readonly string[], db: Queryable): Promise<ReadonlyMap<string, Uint8Array>> {
  const { rows } = await db.query<{ txid: string; raw: Buffer }>({
    name: 'certify-raws',
    text: `select encode(txid, 'hex') as txid, coalesce(theirs.raw, ours.raw) as raw
      from unnest($1::bytea[]) as wanted (txid)
      left join transactions as theirs using (txid) left join fuel_transactions as ours using (txid)
      where theirs.txid is not null or ours.txid is not null`,
    values: [byteas(txids)],
  })
  return new Map(rows.map(({ txid, raw }) => [txid, Uint8Array.from(raw)]))
}

function transactionIn(raws: ReadonlyMap<string, Uint8Array>, txid: string): Transaction {
  const raw = raws.get(txid)
  if (raw === undefined)
    throw new Unreadable(`transaction ${txid}, which the certificate spends, is not stored`)
  return orThrow(readTransaction(raw))
}

type MemberRow = {
  readonly index: number
  readonly versionId: string
  readonly packetId: string
  readonly header: string | null
  readonly streamId: string
  readonly isOpen: boolean
  readonly version: VersionRow | null
}

const isOpen = isOpenSql('stream')

async function readMembers(
  roundId: string,
  template: Template,
  members: readonly { readonly index: number; readonly versionId: string }[],
  db: Queryable,
): Promise<MemberRow[]> {
  if (template === 'aggregate') return readStated(roundId, members, db)
  const { rows } = await db.query<Omit<MemberRow, 'versionId'>>({
    name: 'certify-members',
    text: `select member.index, encode(member.packet_id, 'hex') as "packetId", packet.header, stream.stream_id as "streamId",
        ${isOpen} as "isOpen",
        case when standing.version_id is null then null else json_build_object(
          'versionId', encode(standing.version_id, 'hex'),
          'parentPacketId', encode(standing.parent_packet_id, 'hex'),
          'parentVersionId', encode(standing.parent_version_id, 'hex'),
          'stateIn', encode(standing.state_in, 'hex'), 'stateOut', encode(standing.state_out, 'hex')) end as version
      from round_members as member join packet_standings as standing using (packet_id)
        join packets as packet using (packet_id)
        join partitions as opened on opened.id = packet.partition_id
        join streams as stream on stream.stream_id = opened.stream_id
      where member.round_id = $1 and member.index = any ($2::int[])`,
    values: [bytea(roundId), members.map(({ index }) => index)],
  })
  const byIndex = new Map(rows.map(row => [row.index, row]))
  return members.map(({ index, versionId }) => {
    const row = byIndex.get(index)
    if (row === undefined) throw new Unreadable(`round ${roundId} has no member ${index}`)
    return { ...row, versionId }
  })
}

/** An aggregate is its round's only member. */
async function readStated(
  roundId: string,
  members: readonly { readonly index: number; readonly versionId: string }[],
  db: Queryable,
): Promise<MemberRow[]> {
  const { rows } = await db.query<{ streamId: string; isOpen: boolean }>({
    name: 'certify-stated',
    text: `select stream.stream_id as "streamId", ${isOpen} as "isOpen" from aggregates as stated
      join partitions as opened on opened.id = stated.partition_id
      join streams as stream on stream.stream_id = opened.stream_id where stated.aggregate_id = $1`,
    values: [bytea(roundId)],
  })
  const [stated] = rows
  if (stated === undefined) throw new Unreadable(`round ${roundId} is about an aggregate that there is not`)
  return members.map(member => ({
    ...member,
    ...{ ...stated, packetId: roundId, header: null, version: null },
  }))
}

type MemberDeps = Deps & {
  /** Where its manifest is stored. */
  readonly manifest: readonly PartRow[]
  findOutput(wanted: WantedOutput): Promise<readonly PartRow[]>
}

async function readMember(row: MemberRow, round: RoundRow, deps: MemberDeps): Promise<DueMember> {
  const { index, packetId, versionId, header, streamId, isOpen, version } = row
  const manifestJson = await readManifestText(row, round, deps)
  const json = readOr(parseCanonicalJson(manifestJson, MANIFEST_BYTES_MAX), versionId)
  const member = {
    ...{ index, packetId, versionId, streamId, isOpen, manifestJson },
    version: version && versionOf(version),
  }
  if (header === null) {
    const manifest = readOr(readAggregateManifest(json), versionId)
    return {
      ...member,
      header: undefined,
      manifest,
      validated: statedOutput(round.roundId, manifest.content.contentHash, deps),
    }
  }
  const manifest = readOr(readCertifiedManifest(json), versionId)
  return {
    ...member,
    header: orThrow(readPacketHeader(orThrow(parseCanonicalJson(header)))),
    manifest,
    validated: agreedOutput(
      {
        packetId,
        outputHash: manifest.content.contentHash,
        stateOut: manifest.provenance.assay.stateOut,
      },
      deps,
    ),
  }
}

/** Whoever agreed on it. */
function readOr<T>(read: Outcome<T>, versionId: string): T {
  if (!read.ok) throw new Unreadable(`the manifest ${versionId} is none: ${read.fault.detail}`)
  return read.value
}

/** Of each member, where agents have stored the manifest that was agreed on. */
async function findManifests(
  rows: readonly MemberRow[],
  { jobTx }: RoundRow,
  db: Queryable,
): Promise<readonly (readonly PartRow[])[]> {
  const found = await db.query<PartRow & { readonly turn: number }>({
    name: 'certify-manifests',
    text: `select member.turn, ${partColumns}
      from unnest($2::bytea[], $3::bytea[]) with ordinality as member (packet_id, leaf, turn)
        join outcomes using (packet_id, leaf) join round_results as result on result.txid = outcomes.result_tx
      where result.job_tx = $1 and result.work = 'held'`,
    values: [
      bytea(jobTx),
      byteas(rows.map(({ packetId }) => packetId)),
      byteas(rows.map(({ versionId }) => versionId)),
    ],
  })
  return rows.map((_, i) => found.rows.filter(({ turn }) => turn === i + 1))
}

/** As whichever agent has it stored: it is the one that hashes to the version. */
async function readManifestText(
  { packetId, versionId }: MemberRow,
  { roundId }: RoundRow,
  { manifest, readPart }: MemberDeps,
): Promise<string> {
  for (const { object, outputAt, outputBytes } of manifest) {
    const bytes = await readPart(object, outputAt, outputBytes)
    if (bytes === undefined || sha256Hex(bytes) !== versionId) continue
    const text = fromUtf8(bytes)
    if (text !== undefined) return text
  }
  throw new Unreadable(
    `no agent’s stored work has the manifest ${versionId} of packet ${packetId} in round ${roundId} (${manifest.length} should)`,
  )
}

const partColumns = `encode(work_object, 'hex') as object, output_at as "outputAt", output_bytes as "outputBytes",
  state_at as "stateAt", state_bytes as "stateBytes"`

type PartRow = {
  readonly object: string
  readonly outputAt: number
  readonly outputBytes: number
  readonly stateAt: number
  readonly stateBytes: number
}

/** What a window or a rollup says, as lines: of its document, so nobody had to store it. */
function statedOutput(aggregateId: string, outputHash: string, { db }: Deps): AgreedOutput {
  return {
    outputHash,
    stateOut: null,
    async read() {
      const { rows } = await db.query<{ document: string }>({
        name: 'certify-statement',
        text: 'select document from aggregates where aggregate_id = $1',
        values: [bytea(aggregateId)],
      })
      const document = orThrow(readAggregateDocument(rows[0]?.document ?? ''))
      return { output: orThrow(certifyAggregate(document)).content, state: new Uint8Array(0) }
    },
  }
}

type WantedOutput = {
  readonly packetId: string
  readonly outputHash: string
  readonly stateOut: string | null
}

/** Of each, where agents have stored it. */
async function findOutputs(
  wanted: readonly WantedOutput[],
  { roundId }: RoundRow,
  db: Queryable,
): Promise<readonly (readonly PartRow[])[]> {
  const { rows } = await db.query<PartRow & { readonly turn: number }>({
    name: 'certify-outputs',
    text: `select member.turn, ${partColumns}
      from unnest($2::bytea[], $3::bytea[], $4::bytea[]) with ordinality
          as member (packet_id, output_hash, state_out, turn)
        join outcomes using (packet_id, output_hash)
        join round_results as result on result.txid = outcomes.result_tx
        join round_jobs as job on job.txid = result.job_tx
      where outcomes.stage = 'validate' and job.round_id = $1
        and outcomes.state_out is not distinct from member.state_out and result.work = 'held'`,
    values: [
      bytea(roundId),
      byteas(wanted.map(({ packetId }) => packetId)),
      byteas(wanted.map(({ outputHash }) => outputHash)),
      wanted.map(({ stateOut }) => stateOut && bytea(stateOut)),
    ],
  })
  return wanted.map((_, i) => rows.filter(({ turn }) => turn === i + 1))
}

function agreedOutput(
  wanted: WantedOutput,
  { findOutput, readPart }: Pick<MemberDeps, 'findOutput' | 'readPart'>,
): AgreedOutput {
  const { outputHash, stateOut } = wanted
  return {
    outputHash,
    stateOut,
    async read() {
      for (const { object, outputAt, outputBytes, stateAt, stateBytes } of await findOutput(wanted)) {
        const output = await readPart(object, outputAt, outputBytes)
        const state = stateBytes === 0 ? nothing : await readPart(object, stateAt, stateBytes)
        if (output === undefined || sha256Hex(output) !== outputHash || state === undefined) continue
        if (stateOut === null || sha256Hex(state) === stateOut) return { output, state }
      }
      return undefined
    },
  }
}

const nothing = new Uint8Array(0)
