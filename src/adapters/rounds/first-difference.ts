import type { Pool } from 'pg'
import type { ContentStore, OpenObject } from '../uhrp/content-store.ts'
import { firstDifferenceOf, type LineDifference } from './compare-lines.ts'

/** Where two answers to one packet part ways, as their agents have stored them. */
export type Difference = {
  readonly one: Side
  readonly other: Side
  /** `output` where the lines differ, `state` where only what the next packet starts from does. */
  readonly part: 'output' | 'state'
} & LineDifference

type Side = { readonly agentKey: string; readonly operator: string; readonly resultTxid: string }

/** Why there is nothing to show: there is no such conflict, nobody has stored two different answers, or one is gone. */
export type NoDifference = 'unknown' | 'no-two-answers' | 'gone'

/** Read once, and kept with the conflict: what agents store is theirs, and is not kept for ever. */
export async function firstDifference(
  pool: Pool,
  content: Pick<ContentStore, 'open'>,
  conflictId: number,
): Promise<Difference | NoDifference> {
  const { rows } = await pool.query<{ kept: Difference | null }>({
    name: 'rounds-difference-kept',
    text: 'select first_difference as kept from conflicts where id = $1',
    values: [conflictId],
  })
  const [row] = rows
  if (row === undefined) return 'unknown'
  if (row.kept !== null) return row.kept
  const [one, other] = await readTwo(pool, conflictId)
  if (one === undefined || other === undefined) return 'no-two-answers'
  const found = await compare(one, other, content)
  if (found === undefined) return 'gone'
  await pool.query({
    name: 'rounds-keep-difference',
    text: 'update conflicts set first_difference = $2 where id = $1 and first_difference is null',
    values: [conflictId, JSON.stringify(found)],
  })
  return found
}

type Answer = Side & {
  readonly object: string
  readonly outputAt: number
  readonly outputBytes: number
  readonly stateAt: number
  readonly stateBytes: number
}

/** The one that was decided for, or else that most agents gave, and the one beside it that most gave. */
async function readTwo(pool: Pool, conflictId: number): Promise<Answer[]> {
  const { rows } = await pool.query<Answer>({
    name: 'rounds-two-answers',
    text: `select "agentKey", operator, "resultTxid", object, "outputAt", "outputBytes", "stateAt", "stateBytes"
      from (
        select distinct on (outcome.leaf) encode(result.agent_key, 'hex') as "agentKey",
            encode(result.operator, 'hex') as operator, encode(result.txid, 'hex') as "resultTxid",
            encode(result.work_object, 'hex') as object, output_at as "outputAt", output_bytes as "outputBytes",
            state_at as "stateAt", state_bytes as "stateBytes", result.vout,
            outcome.leaf is not distinct from conflict.leaf as was_decided,
            count(*) over (partition by outcome.leaf) as votes
          from conflicts as conflict
          join round_results as result on result.job_tx = conflict.job_tx and result.work = 'held'
          join outcomes as outcome on outcome.result_tx = result.txid and outcome.packet_id = conflict.packet_id
          where conflict.id = $1
          order by outcome.leaf, result.vout
      ) as answers order by was_decided desc, votes desc, vout limit 2`,
    values: [conflictId],
  })
  return rows
}

async function compare(
  one: Answer,
  other: Answer,
  content: Pick<ContentStore, 'open'>,
): Promise<Difference | undefined> {
  const [ones, others] = [await openObject(one, content), await openObject(other, content)]
  try {
    if (ones === undefined || others === undefined) return undefined
    const spans = (part: 'output' | 'state') =>
      (
        [
          [one, ones],
          [other, others],
        ] as const
      ).map(([answer, { file }]) => ({
        file,
        at: answer[`${part}At`],
        length: answer[`${part}Bytes`],
      }))
    for (const part of ['output', 'state'] as const) {
      const [left, right] = spans(part)
      const found = left && right && (await firstDifferenceOf(left, right))
      if (found !== undefined) return { one: sideOf(one), other: sideOf(other), part, ...found }
    }
    return undefined
  } finally {
    await ones?.file.close()
    await others?.file.close()
  }
}

async function openObject(
  { object }: Answer,
  content: Pick<ContentStore, 'open'>,
): Promise<OpenObject | undefined> {
  const opened = await content.open(object, 'node')
  return opened.kind === 'open' ? opened.object : undefined
}

function sideOf({ agentKey, operator, resultTxid }: Answer): Side {
  return { agentKey, operator, resultTxid }
}
