import * as z from 'zod'
import { outpointText, type Transaction } from '../../../src/contract/transaction.ts'
import { toHex } from '../../../src/core/bytes.ts'
import type { AgentsBed } from '../../support/agents-bed.ts'
import { readChain } from '../../support/read-chain.ts'
import { until } from '../../support/until.ts'
import type { TakenJob } from './taken-job.ts'

/** Has the miners put another spend of its seat in the place of its answer, and of all that was built on that. */
export async function takeBack(bed: AgentsBed, taken: TakenJob): Promise<void> {
  const { spenders } = await readChain(bed.pool)
  const answer = spenders.get(outpointText({ txid: taken.job.txid, vout: taken.seat }))
  if (answer === undefined) throw new Error('there is no answer to be taken back')
  await mineInstead(bed, answer, taken.seatToMyself())
}

/** From the block on that has the transaction, if one has it. */
export async function mineInstead(bed: AgentsBed, txid: string, rival: Transaction): Promise<void> {
  // A block may come between the look and the order, which then is not deep enough.
  await until(async () => reorganise(bed, rival, await blocksSince(bed, txid)))
}

async function reorganise(bed: AgentsBed, rival: Transaction, depth: number): Promise<boolean> {
  const response = await fetch(`${bed.url}/chain/reorganise`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ depth, replaceWith: [toHex(rival.raw)] }),
  })
  const said = await response.text()
  if (!response.ok && response.status !== 422) throw new Error(`${response.status}: ${said}`)
  return response.ok
}

/** From the one that has it to the last. */
async function blocksSince(bed: AgentsBed, txid: string): Promise<number> {
  const { blockHeight } = place.parse(await getJson(`${bed.url}/chain/transactions/${txid}`))
  const { height } = tip.parse(await getJson(`${bed.url}/chain/tip`))
  return blockHeight === undefined ? 1 : height - blockHeight + 1
}

const place = z.object({ blockHeight: z.number().optional() })
const tip = z.object({ height: z.number() })

async function getJson(url: string): Promise<unknown> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return response.json()
}
