import * as z from 'zod'
import { type Beef, type BeefTransaction, readBeef, writeBeef } from '../../src/contract/beef.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { fromHex, sameBytes } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { batchTransaction } from '../support/event-batches.ts'
import { type Party, payTo } from '../support/pipeline.ts'
import { coinOf } from './hostile-beef.ts'
import { HttpClient } from './raw-http.ts'

/** Money from the faucet: the transaction that pays this many coins to the party, with all it needs. */
export async function faucetBeef(
  url: string,
  { identityKey }: Party,
  outputs: number,
  satoshis = 10_000,
): Promise<Beef> {
  const response = await fetch(`${url}/chain/faucet`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ publicKey: identityKey, satoshis, outputs }),
  })
  if (!response.ok) throw new Error(await response.text())
  const { beef } = z.object({ beef: z.string() }).parse(await response.json())
  return orThrow(readBeef(fromHex(beef) ?? new Uint8Array()))
}

/** A batch of events paid with one coin of the funding, ready to be submitted. */
export function validSubmission(
  owner: Party,
  funding: readonly BeefTransaction[],
  vout: number,
  text: string,
) {
  const parent = funding.at(-1)
  if (parent === undefined) throw new Error('no funding')
  const batch = batchTransaction(owner, [coinOf(parent, vout, owner.privateKey)], { text })
  return { txid: batch.txid, bytes: writeBeef([...funding, batch]) }
}

export const submitHeaders = {
  'content-type': 'application/octet-stream',
  'x-topics': JSON.stringify([baseTopics.ingest]),
}

/** Submits batches and asks for the health of the node, one after the other, until it is stopped. */
export function goodClient(port: number, owner: Party, funding: readonly BeefTransaction[]) {
  const client = new HttpClient(port)
  const wrong: string[] = []
  let served = 0
  let stopped = false
  const run = async () => {
    for (let n = 0; !stopped; n++) {
      const { bytes } = validSubmission(owner, funding, n % coins, `{"n":${n}}\n`)
      const answers = await Promise.all([
        client.send({ method: 'GET', path: '/health/live' }),
        n < coins ? client.send({ path: '/submit', headers: submitHeaders, body: bytes }) : undefined,
      ])
      for (const [i, answer] of answers.entries()) {
        if (answer === undefined) continue
        const text = answer.body.toString()
        if (answer.status === 200 && text.includes(i === 0 ? '"live":true' : '"outputsToAdmit":[0]'))
          served += 1
        else wrong.push(`${answer.status} ${text.slice(0, 200)}`)
      }
    }
  }
  const { script: lock } = payTo(owner, 1)
  // The last of the faucet's is its own change.
  const coins = funding.at(-1)?.outputs.filter(({ script }) => sameBytes(script, lock)).length ?? 0
  const running = run()
  return {
    served: () => served,
    wrong: () => wrong as readonly string[],
    async stop() {
      stopped = true
      await running
      client.close()
    },
  }
}
