import type { Beef } from '../../contract/beef.ts'
import { outpointText } from '../../contract/transaction.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'
import { byteas, hexOf, type Queryable } from '../postgres/sql.ts'
import type { Applied, Submission } from './submission.ts'

/** What the database holds of a submission, and of what it touches, at one moment. */
export type Known = {
  readonly epoch: number
  /** Nobody has looked: whoever records what was judged on it must see to it that there was nothing. */
  readonly isGuess: boolean
  /** Of the transactions: whether one is stored, and a block proves it. */
  stored(txid: string): { readonly proven: boolean } | undefined
  applied(txid: string, topic: string): Applied | undefined
  /** Whether the topic has admitted this output, and kept it. Complete for all inputs of the transactions. */
  holds(outpoint: Outpoint, topic: string): boolean
  /** Undefined: never admitted, and spent by nothing that is stored. Complete for all inputs and outputs. */
  coin(outpoint: Outpoint): Coin | undefined
}

export type Coin = {
  /** How many topics have ever admitted it. */
  readonly admissions: number
  readonly spender: string | undefined
}

/** One statement, so that all of it is of one moment. */
export async function readKnown(
  db: Queryable,
  { beef, topics }: Pick<Submission, 'topics'> & { beef: Pick<Beef, 'transactions'> },
): Promise<Known> {
  const inputs = beef.transactions.flatMap(({ inputs }) => inputs)
  const { rows } = await db.query<Row>({
    name: 'read-known',
    text: sql,
    values: [
      byteas(beef.transactions.map(({ txid }) => txid)),
      byteas(inputs.map(({ txid }) => txid)),
      inputs.map(({ vout }) => vout),
      topics,
    ],
  })
  return knownOf(rows)
}

/** What several looks have shown; the first that shows a thing has the say. */
export function together(looks: readonly Known[]): Known {
  const first = <T>(ask: (known: Known) => T | undefined): T | undefined => {
    for (const known of looks) {
      const answer = ask(known)
      if (answer !== undefined) return answer
    }
    return undefined
  }
  return {
    // Of the oldest: whatever was evicted since the first look has to be looked at again.
    epoch: Math.min(...looks.map(({ epoch }) => epoch)),
    isGuess: looks.some(({ isGuess }) => isGuess),
    stored: txid => first(known => known.stored(txid)),
    applied: (txid, topic) => first(known => known.applied(txid, topic)),
    holds: (outpoint, topic) => looks.some(known => known.holds(outpoint, topic)),
    coin: outpoint => first(known => known.coin(outpoint)),
  }
}

type Row = {
  kind: 'epoch' | 'stored' | 'applied' | 'held' | 'coin'
  txid: Buffer | null
  number: number | null
  topic: string | null
  other: Buffer | null
  admissions: number | null
  admitted: number[] | null
  retained: number[] | null
  removed: number[] | null
}

/**
 * The parameters stand in subqueries, so that no plan depends on what they hold: PostgreSQL then keeps one plan, where it
 * would otherwise make one for each submission, which takes longer than to run it. `offset 0` keeps each look an
 * index look by txid, however small the tables were when that plan was made.
 */
const sql = `
  with inputs as materialized
    (select txid, vout from unnest((select $2::bytea[]), (select $3::bigint[])) as input (txid, vout)),
  own as materialized (select txid from unnest((select $1::bytea[])) as own (txid))
  select 'epoch' as kind, null::bytea as txid, epoch as number, null::text as topic, null::bytea as other,
         null::smallint as admissions, null::integer[] as admitted, null::integer[] as retained, null::integer[] as removed
    from overlay_epoch where one
  union all
  select 'stored', own.txid, null, null, proof_root, null, null, null, null
    from own cross join lateral (select proof_root from transactions where txid = own.txid offset 0) as stored
  union all
  select 'applied', own.txid, null, topic, null, null, admitted, retained, removed
    from own cross join lateral (select * from applied where txid = own.txid offset 0) as answer
    where topic = any ((select $4::text[])::text[])
  union all
  select 'held', inputs.txid, inputs.vout, topic, null, null, null, null, null
    from inputs cross join lateral
      (select topic from outputs where txid = inputs.txid and vout = inputs.vout offset 0) as held
    where topic = any ((select $4::text[])::text[])
  union all
  select 'coin', inputs.txid, inputs.vout, null, spender, admissions, null, null, null
    from inputs cross join lateral
      (select spender, admissions from coins where txid = inputs.txid and vout = inputs.vout offset 0) as spent
  union all
  select 'coin', own.txid, made.vout, null, spender, admissions, null, null, null
    from own cross join lateral
      (select vout, spender, admissions from coins where txid = own.txid offset 0) as made`

function knownOf(rows: readonly Row[]): Known {
  const stored = new Map<string, { proven: boolean }>()
  const applied = new Map<string, Applied>()
  const held = new Set<string>()
  const coins = new Map<string, Coin>()
  let epoch = 0
  for (const { kind, txid: hash, number, topic, other, admissions, admitted, retained, removed } of rows) {
    const txid = hash === null ? '' : hexOf(hash)
    const outpoint = outpointText({ txid, vout: number ?? 0 })
    if (kind === 'epoch') epoch = number ?? 0
    else if (kind === 'stored') stored.set(txid, { proven: other !== null })
    else if (kind === 'held') held.add(`${outpoint} ${topic}`)
    else if (kind === 'coin')
      coins.set(outpoint, {
        admissions: admissions ?? 0,
        spender: other === null ? undefined : hexOf(other),
      })
    else
      applied.set(`${txid} ${topic}`, {
        admitted: admitted ?? [],
        retained: retained ?? [],
        removed: removed ?? [],
      })
  }
  return {
    epoch,
    isGuess: false,
    stored: txid => stored.get(txid),
    applied: (txid, topic) => applied.get(`${txid} ${topic}`),
    holds: (outpoint, topic) => held.has(`${outpointText(outpoint)} ${topic}`),
    coin: outpoint => coins.get(outpointText(outpoint)),
  }
}
