import { spendHolds } from '../../../src/adapters/bsv/judge-spend.ts'
import { openLocalChain } from '../../../src/adapters/chain/local-chain.ts'
import { ownFaucet } from '../../../src/adapters/fuel/local-faucet.ts'
import { openFuel } from '../../../src/adapters/fuel/open-fuel.ts'
import { openOverlay } from '../../../src/adapters/overlay/overlay.ts'
import { openDatabase } from '../../../src/adapters/postgres/database.ts'
import { hostedTopics } from '../../../src/node/hosted-topics.ts'
import { silentLog } from '../../support/silent-log.ts'
import { batchPlan, payer, plainPlan, purpose, smallPool } from './fuel-bed.ts'

/**
 * A process that writes for one purpose after the other, in the caller's transaction or in its own, until it is killed.
 * It prints each purpose's number with the txid that it was given.
 */
const [url = '', first = '0'] = process.argv.slice(2)
const database = await openDatabase({ url, log: silentLog, applicationName: 'spender', connectionsMax: 6 })
const { pool } = database
const chain = await openLocalChain({ pool, satisfies: spendHolds, pollMs: 20 })
const silent = () => undefined
const overlay = openOverlay({
  pool,
  chain,
  hosted: hostedTopics(database),
  now: Date.now,
  peers: [],
  post: async () => [],
  events: {
    onEvicted: silent,
    onDoubleSpend: silent,
    onUndelivered: silent,
    onReorganisation: silent,
    onProven: silent,
    onFollowFailure: silent,
  },
})
await overlay.start()
const fuel = openFuel({
  pool,
  chain,
  key: payer,
  overlay,
  faucet: ownFaucet(chain),
  settings: smallPool,
  now: Date.now,
  events: {
    onDead: say('dead'),
    onUnsent: silent,
    onRefill: silent,
    onReorganisation: silent,
    onTrouble: silent,
  },
  tickMs: 20,
})
await fuel.start()
for (let n = Number(first); ; ) {
  const plan = n % 2 === 0 ? plainPlan(100 + n) : batchPlan(`{"n":${n}}\n`)
  const answer = await fuel.write(purpose(`purpose ${n}`), plan)
  if (answer.ok) {
    process.stdout.write(`${n} ${answer.value.txid}\n`)
    n += 1
  } else if (answer.fault.code !== 'fuel-exhausted') throw new Error(answer.fault.detail)
  else await new Promise(resolve => setTimeout(resolve, 10))
}

function say(what: string) {
  return (txid: string, reason: string) => void process.stdout.write(`${what} ${txid} ${reason}\n`)
}
