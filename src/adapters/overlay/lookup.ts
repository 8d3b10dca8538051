import { BEEF_BYTES_MAX, type BeefTransaction } from '../../contract/beef.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'
import type { Hosted } from './hosted.ts'
import { lengthOf, readFitting } from './read-fitting.ts'
import { readHistoriesUpTo } from './read-histories.ts'

export type Found = { readonly outputs: readonly FoundOutput[] }

export type FoundOutput = {
  readonly txid: string
  readonly vout: number
  /** The transaction with all it needs, parents first. */
  readonly history: readonly BeefTransaction[]
  readonly context?: Uint8Array
}

/** More than any of our own services gives at once. */
export const LOOKUP_OUTPUTS_MAX = 1000
/** Of all transactions in an answer, each as often as an output needs it: one BEEF of the greatest length, eight times. */
export const LOOKUP_BYTES_MAX = 8 * BEEF_BYTES_MAX

/** Asks the service, and finds each output it names with its history. What is no longer admitted is left out. */
export async function lookup(
  service: string,
  query: unknown,
  { services, db }: { services: Hosted['services']; db: Queryable },
): Promise<Outcome<Found>> {
  const asked = Object.hasOwn(services, service) ? services[service] : undefined
  if (asked === undefined)
    return refused('service-unknown', `this node has no lookup service ${service.slice(0, 64)}`)
  const formula = await asked.lookup({ service, query })
  if (formula.length > LOOKUP_OUTPUTS_MAX)
    return refused(
      'answer-too-large',
      `${formula.length} outputs match, and an answer holds ${LOOKUP_OUTPUTS_MAX}; narrow the query or set a limit`,
    )
  const admitted = await readAdmitted(
    db,
    formula.map(({ txid, outputIndex }) => ({ txid, vout: outputIndex })),
  )
  const here = formula.filter(({ txid, outputIndex }) => admitted.has(`${txid}.${outputIndex}`))
  const histories = (await readAll(db, here)) ?? (asked.answersInPart && (await readSome(db, here)))
  if (!histories) return tooLong(here.length)
  const outputs = here.flatMap(({ txid, outputIndex: vout, context }): FoundOutput[] => {
    const history = histories.get(txid)
    if (history === undefined) return []
    return [{ txid, vout, history, ...(context !== undefined && { context: Uint8Array.from(context) }) }]
  })
  return accepted({ outputs })
}

type Histories = ReadonlyMap<string, readonly BeefTransaction[]>
type Named = { readonly txid: string }

/** Undefined where they are longer than an answer. */
async function readAll(db: Queryable, outputs: readonly Named[]): Promise<Histories | undefined> {
  const txids = [...new Set(outputs.map(({ txid }) => txid))]
  const ancestry = await readHistoriesUpTo(db, txids, LOOKUP_BYTES_MAX)
  if (ancestry === undefined) return undefined
  const histories = new Map<string, readonly BeefTransaction[]>()
  let bytes = 0
  for (const { txid } of outputs) {
    const history = histories.get(txid) ?? ancestry.historyOf(txid)
    if (history === undefined) continue
    histories.set(txid, history)
    bytes += lengthOf(history)
    // Before the next history is walked: of a long chain, each is nearly as long as the one before.
    if (bytes > LOOKUP_BYTES_MAX) return undefined
  }
  return histories
}

function readSome(db: Queryable, outputs: readonly Named[]): Promise<Histories> {
  const counts = new Map<string, number>()
  for (const { txid } of outputs) counts.set(txid, (counts.get(txid) ?? 0) + 1)
  return readFitting(db, counts, LOOKUP_BYTES_MAX)
}

function tooLong(outputs: number): Outcome<never> {
  return refused(
    'answer-too-large',
    `${outputs} outputs match, and their transactions are longer than the ${LOOKUP_BYTES_MAX} bytes of an answer; set a smaller limit, and page`,
  )
}

async function readAdmitted(
  db: Queryable,
  outpoints: readonly { txid: string; vout: number }[],
): Promise<Set<string>> {
  const { rows } = await db.query<{ txid: string; vout: number }>({
    name: 'read-admitted',
    text: `select distinct encode(txid, 'hex') as txid, vout
      from unnest($1::bytea[], $2::bigint[]) as asked (txid, vout) join outputs using (txid, vout)`,
    values: [byteas(outpoints.map(({ txid }) => txid)), outpoints.map(({ vout }) => vout)],
  })
  return new Set(rows.map(({ txid, vout }) => `${txid}.${vout}`))
}
