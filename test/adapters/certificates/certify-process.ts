import { spendHolds } from '../../../src/adapters/bsv/judge-spend.ts'
import { openCertificateStore } from '../../../src/adapters/certificates/certificate-store.ts'
import { keepOutputIn, readPartIn } from '../../../src/adapters/certificates/keep-output.ts'
import { openLocalChain } from '../../../src/adapters/chain/local-chain.ts'
import { openFuel } from '../../../src/adapters/fuel/open-fuel.ts'
import { openDatabase } from '../../../src/adapters/postgres/database.ts'
import { openContentStore } from '../../../src/adapters/uhrp/content-store.ts'
import { certifyingTiming, startCertifying } from '../../../src/certify/certificates.ts'
import { crashPoint } from '../../../src/runtime/crash-point.ts'
import { repeat } from '../../../src/runtime/repeat.ts'
import { party } from '../../support/pipeline.ts'
import { silentLog } from '../../support/silent-log.ts'
import { storeBounds } from '../../support/uhrp-bed.ts'
import { payer, smallPool } from '../fuel/fuel-bed.ts'

/** A process that makes certificates until it is killed. What it writes is sent by the one that started it. */
const [url = '', directory = ''] = process.argv.slice(2)
const database = await openDatabase({ url, log: silentLog, applicationName: 'certify', connectionsMax: 6 })
const { pool } = database
const chain = await openLocalChain({ pool, satisfies: spendHolds })
const silent = () => undefined
const fuel = openFuel({
  pool,
  chain,
  key: payer,
  overlay: undefined,
  settings: smallPool,
  now: Date.now,
  events: { onDead: silent, onUnsent: silent, onRefill: silent, onReorganisation: silent, onTrouble: silent },
})
const content = await openContentStore({
  pool,
  directory,
  bounds: storeBounds,
  now: Date.now,
  onTrouble: silent,
})
startCertifying({
  store: openCertificateStore({
    pool,
    fuel,
    coordinator: `process ${process.pid}`,
    readPart: readPartIn(content),
    onUnreadable: error => process.stderr.write(`${error}\n`),
    leaseMs: 300,
    unsettledMs: 20,
  }),
  repeat,
  keepOutput: keepOutputIn(content),
  log: party('log'),
  now: Date.now,
  at: crashPoint,
  timing: { ...certifyingTiming, pollMs: 20, keepMs: 100 },
  onLost: silent,
  onCertified: silent,
  onGivenUp: silent,
  onRefused: silent,
  onFailure: error => process.stderr.write(`${error}\n`),
})
