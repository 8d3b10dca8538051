import type { RoundPart } from '../../contract/round-locations.ts'
import { knownHex, u32be, utf8 } from '../../core/bytes.ts'
import { groupBy } from '../../core/rounds/coordinating/plan.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'
import { isClosedSql as isClosed } from '../reading/readable.ts'
import { namesPart } from './names-part.ts'

/** Where the bytes of one part are, and whether anybody may have them. */
export type FoundPart = {
  readonly isPublic: boolean
  /** One after the other they are the part; the first list of which every object is here is as good as any. */
  readonly ways: readonly (readonly Piece[])[]
}

export type Piece =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'object'; readonly sha256: string }
  | { readonly kind: 'slice'; readonly sha256: string; readonly at: number; readonly length: number }

/** By name, without those that no round has; an outcome is one once it is agreed on, and never before. */
export function findParts(
  db: Queryable,
  part: RoundPart,
  names: readonly string[],
): Promise<ReadonlyMap<string, FoundPart>> {
  return parts[part](db, names)
}

type FindParts = (db: Queryable, names: readonly string[]) => Promise<ReadonlyMap<string, FoundPart>>

/** `text` is of one part, whose name is `asked.name`. */
function part<Row extends { readonly isPublic: boolean }>(
  statement: { readonly name: string; readonly text: string },
  piecesOf: (row: Row) => readonly Piece[],
): FindParts {
  const { name } = statement
  const text = `select encode(asked.name, 'hex') as "partName", found.*
    from unnest((select $1::bytea[])) as asked (name) cross join lateral (${statement.text} offset 0) as found`
  return async (db, names) => {
    const { rows } = await db.query<Row & { readonly partName: string }>({
      ...{ name, text },
      values: [byteas(names)],
    })
    return new Map(
      [...groupBy(rows, ({ partName }) => partName)].map(([partName, those]) => [
        partName,
        { isPublic: those.some(({ isPublic }) => isPublic), ways: those.map(piecesOf) },
      ]),
    )
  }
}

type Text = { readonly isPublic: boolean; readonly text: string }
const written = ({ text }: Text): Piece[] => [{ kind: 'bytes', bytes: utf8(text) }]

/** The agents that agreed have each stored the same bytes; one of them is enough. */
const WAYS_MAX = 8

/** What is not for everybody is for agents with a seat. */
const isOpenRound = `(round.audience = 'public' and not exists (
    select from round_members as member join packets as sealed on sealed.packet_id = member.packet_id
      where member.round_id = round.round_id and ${isClosed('sealed.partition_id')})
  and not exists (
    select from aggregates as stated where stated.aggregate_id = round.round_id and ${isClosed('stated.partition_id')}))`

const agreed = `
  from outcomes
    join round_results result on result.txid = outcomes.result_tx and result.work_object is not null
    join round_jobs job on job.txid = result.job_tx
    join rounds round on round.round_id = job.round_id
  where outcomes.is_agreed`

const parts: Readonly<Record<RoundPart, FindParts>> = {
  document: part<Text>(
    {
      name: 'round-part-document',
      text: `select document as text, ${isOpenRound} as "isPublic" from rounds as round where input_hash = asked.name limit 1`,
    },
    written,
  ),
  packet: part<{ isPublic: boolean; rawHash: string; count: number }>(
    {
      name: 'round-part-packet',
      text: `select encode(raw_hash, 'hex') as "rawHash", count, 
        header::jsonb ->> 'audience' = 'public' and not ${isClosed('packets.partition_id')} as "isPublic"
      from packets where packet_id = asked.name`,
    },
    ({ rawHash, count }) => (count === 0 ? [] : [{ kind: 'object', sha256: rawHash }]),
  ),
  policy: part<Text>(
    {
      name: 'round-part-policy',
      text: `select policy as text, exists (
        select from streams where policy_digest = digest and audience = 'public' and tenant_id is null and published
      ) or exists (
        select from rounds round where ${isOpenRound} and ${namesPart('policy', 'digest')}
      ) as "isPublic"
      from policy_sets where digest = asked.name`,
    },
    written,
  ),
  state: part<{ isPublic: boolean; object: string; at: number | null; length: number }>(
    {
      name: 'round-part-state',
      text: `(select encode(state, 'hex') as object, null::bigint as at, bytes as length,
          audience = 'public' and not ${isClosed('kept_states.partition_id')} as "isPublic"
        from kept_states join partitions on id = partition_id where state = asked.name limit ${WAYS_MAX})
      union all
      (select encode(work_object, 'hex'), state_at, state_bytes, ${isOpenRound}
        ${agreed} and outcomes.state_out = asked.name limit ${WAYS_MAX})`,
    },
    ({ object: sha256, at, length }) =>
      at === null ? [{ kind: 'object', sha256 }] : [{ kind: 'slice', sha256, at, length }],
  ),
  outcome: part<OutcomeRow>(
    {
      name: 'round-part-outcome',
      text: `select encode(leaf, 'hex') as leaf, encode(work_object, 'hex') as object, output_at as "outputAt",
        output_bytes as "outputBytes", state_at as "stateAt", state_bytes as "stateBytes",
        ${isOpenRound} as "isPublic"
      ${agreed} and outcomes.leaf = asked.name limit ${WAYS_MAX}`,
    },
    asWorkOfOne,
  ),
  manifest: part<Text>(
    {
      name: 'round-part-manifest',
      text: `select manifest as text, coalesce((
        select header::jsonb ->> 'audience' = 'public' and not ${isClosed('packets.partition_id')}
          from packets where packets.packet_id = version.packet_id
      ), (
        select audience = 'public' and not ${isClosed('aggregates.partition_id')}
          from aggregates join partitions on id = partition_id
          where aggregates.version_id = version.version_id limit 1
      ), false) as "isPublic"
      from dlm_versions version where version_id = asked.name and standing = 'certified'`,
    },
    written,
  ),
}

type OutcomeRow = {
  readonly isPublic: boolean
  readonly leaf: string
  readonly object: string
  readonly outputAt: number
  readonly outputBytes: number
  readonly stateAt: number
  readonly stateBytes: number
}

/** As contract/work.ts writes the work of one member. */
function asWorkOfOne(row: OutcomeRow): Piece[] {
  const { leaf, object: sha256, outputAt, outputBytes, stateAt, stateBytes } = row
  return [
    { kind: 'bytes', bytes: knownHex(leaf) },
    { kind: 'bytes', bytes: u32be(outputBytes) },
    { kind: 'slice', sha256, at: outputAt, length: outputBytes },
    { kind: 'bytes', bytes: u32be(stateBytes) },
    { kind: 'slice', sha256, at: stateAt, length: stateBytes },
  ]
}
