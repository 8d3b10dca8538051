import { openLocalChain } from '../../../src/adapters/chain/local-chain.ts'
import { openPool } from './open-pool.ts'
import { coinsOf, fund, pay } from './wallet.ts'

/** A process that mines and pays until it is killed, and prints the txid of whatever it was told is accepted. */
const [url = ''] = process.argv.slice(2)
const chain = await openLocalChain({ pool: openPool(url), pollMs: 20 })
chain.startMiner({ intervalMs: 5 })
// A chain of spends, so that blocks need their parents in order.
for (let last = await fund(chain); ; ) {
  process.stdout.write(`${last.txid}\n`)
  const next = pay(coinsOf(last))
  const answer = await chain.broadcast([next])
  if (answer.kind !== 'accepted') throw new Error(answer.detail)
  process.stdout.write(`${next.txid}\n`)
  last = await fund(chain)
}
