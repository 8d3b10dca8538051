import { BEEF_BYTES_MAX, type BeefTransaction } from '../../contract/beef.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'
import type { Hosted } from './hosted.ts'
import { readAncestryUpTo } from './read-ancestry.ts'

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
  const ancestry = await readAncestryUpTo(db, [...new Set(here.map(({ txid }) => txid))], LOOKUP_BYTES_MAX)
  if (ancestry === undefined) return tooLong(here.length)
  const outputs: FoundOutput[] = []
  let bytes = 0
  for (const { txid, outputIndex: vout, context } of here) {
    const history = ancestry.historyOf(txid)
    if (history === undefined) continue
    for (const { raw } of history) bytes += raw.length
    // Before the next history is walked: of a long chain, each is nearly as long as the one before.
    if (bytes > LOOKUP_BYTES_MAX) return tooLong(here.length)
    outputs.push({ txid, vout, history, ...(context !== undefined && { context: Uint8Array.from(context) }) })
  }
  return accepted({ outputs })
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
