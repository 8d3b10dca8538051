import type { BeefTransaction } from '../../contract/beef.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import type { Hosted } from './hosted.ts'
import { readAncestry } from './read-ancestry.ts'
import { byteas, type Queryable } from './sql.ts'

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

/** Of all transactions in an answer. As JSON numbers they take four times that. */
export const LOOKUP_BYTES_MAX = 16 * 1024 * 1024

/** Asks the service, and finds each output it names with its history. What is no longer admitted is left out. */
export async function lookup(
  service: string,
  query: unknown,
  { services, db }: { services: Hosted['services']; db: Queryable },
): Promise<Outcome<Found>> {
  const asked = services[service]
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
  const ancestry = await readAncestry(db, [...new Set(here.map(({ txid }) => txid))])
  const outputs = here.flatMap(({ txid, outputIndex, context }) => {
    const history = ancestry.historyOf(txid)
    if (history === undefined) return []
    return [
      {
        txid,
        vout: outputIndex,
        history,
        ...(context !== undefined && { context: Uint8Array.from(context) }),
      },
    ]
  })
  const bytes = outputs.reduce((sum, { history }) => sum + bytesOf(history), 0)
  if (bytes > LOOKUP_BYTES_MAX)
    return refused(
      'answer-too-large',
      `the outputs that match come with ${bytes} bytes of transactions, and an answer holds ${LOOKUP_BYTES_MAX}; set a lower limit`,
    )
  return accepted({ outputs })
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

function bytesOf(history: readonly BeefTransaction[]): number {
  return history.reduce((sum, { raw }) => sum + raw.length, 0)
}
