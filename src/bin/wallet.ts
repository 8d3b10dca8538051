import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { migrations } from '../../migrations/index.ts'
import { askWallet } from '../adapters/bsv/wallet-payment.ts'
import type { FuelLevel } from '../adapters/fuel/fuel.ts'
import type { FuelEvents } from '../adapters/fuel/fuel-events.ts'
import { poolTarget } from '../adapters/fuel/fuel-settings.ts'
import type { Funded } from '../adapters/fuel/fund.ts'
import type { Holdings, Purse } from '../adapters/fuel/level.ts'
import type { OpenFuel } from '../adapters/fuel/open-fuel.ts'
import { migrate } from '../adapters/postgres/migrate.ts'
import { fromHex, fromUtf8, toHex } from '../core/bytes.ts'
import { orThrow } from '../core/fault.ts'
import { openNodeChain } from '../node/node-chain.ts'
import { openNodeDatabase } from '../node/node-database.ts'
import { fuelSettings, openNodeFuel } from '../node/node-fuel.ts'
import { openNodeKeys } from '../node/node-keys.ts'
import { openLog } from '../runtime/log.ts'
import { readSettings, type Settings } from '../runtime/settings.ts'
import { openStops } from '../runtime/stops.ts'
import { explain } from './explain.ts'
import { readOptions } from './read-options.ts'

const usage = `assay wallet show [--json]                              what pays for transactions, and how long it lasts
assay wallet fund --beef FILE|- [--json]                takes in what a transaction pays the fuel key (- reads stdin)
assay wallet fund --brc100 URL [--satoshis N] [--json]  asks a BRC-100 wallet for money; by default what fills the pool twice
assay wallet split [--outputs N] [--json]               makes coins now, without waiting for the pool to be low

It works on the database of the nodes, and beside them.`

/** Exit codes: 0 done, 1 not possible, 2 wrong usage. */
export async function wallet(args: readonly string[]): Promise<number> {
  const asked = read(args)
  if (asked === undefined) {
    console.error(usage)
    return 2
  }
  try {
    const answer = await onFuel((fuel, settings) => carryOut(asked, fuel, settings))
    console.log(asked.json ? JSON.stringify(answer, undefined, 2) : inWords(answer))
    return 0
  } catch (error) {
    console.error(`assay wallet: ${explain(error)}`)
    return 1
  }
}

type Asked = { readonly json: boolean } & (
  | { readonly kind: 'show' }
  | { readonly kind: 'fund'; readonly beef: string }
  | { readonly kind: 'fund'; readonly brc100: string; readonly satoshis: number | undefined }
  | { readonly kind: 'split'; readonly outputs: number | undefined }
)

function read(args: readonly string[]): Asked | undefined {
  const called = readOptions(args, {
    beef: { type: 'string' },
    brc100: { type: 'string' },
    satoshis: { type: 'string' },
    outputs: { type: 'string' },
    json: { type: 'boolean', default: false },
  })
  if (called === undefined) return undefined
  const { values, positionals } = called
  const { beef, brc100, json } = values
  const [what, ...more] = positionals
  const [satoshis, outputs] = [count(values.satoshis), count(values.outputs)]
  if (more.length > 0 || satoshis === 'odd' || outputs === 'odd') return undefined
  if (what === 'show') return { kind: 'show', json }
  if (what === 'split') return { kind: 'split', outputs, json }
  if (what !== 'fund' || (beef === undefined) === (brc100 === undefined)) return undefined
  if (beef !== undefined) return { kind: 'fund', beef, json }
  return brc100 !== undefined && URL.canParse(brc100) ? { kind: 'fund', brc100, satoshis, json } : undefined
}

function count(text: string | undefined): number | 'odd' | undefined {
  if (text === undefined) return undefined
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : 'odd'
}

type Answer = {
  /** What was done, in one sentence; null where nothing was asked but to look. */
  readonly did: string | null
  readonly network: Settings['ASSAY_NETWORK']
  /** Locks what pays for fuel. */
  readonly lockingScript: string
  readonly level: FuelLevel
  readonly holdings: Holdings
}

async function carryOut(asked: Asked, fuel: OpenFuel, settings: Settings): Promise<Answer> {
  // What a block holds by now counts, also where no node runs.
  await fuel.catchUp()
  const did = await doIt(asked, fuel, settings)
  if (did !== null) await fuel.catchUp()
  const [level, holdings] = [await fuel.level(), await fuel.holdings()]
  return { did, network: settings.ASSAY_NETWORK, lockingScript: toHex(fuel.lock), level, holdings }
}

async function doIt(asked: Asked, fuel: OpenFuel, settings: Settings): Promise<string | null> {
  if (asked.kind === 'show') return null
  const { coinSatoshis, fanout, ...pool } = fuelSettings(settings)
  if (asked.kind === 'split') {
    const outputs = asked.outputs ?? poolTarget({ coinSatoshis, fanout, ...pool })
    const done = await fuel.split(Math.ceil(outputs / fanout))
    if (done === undefined)
      return 'nothing was done: a node is refilling at this moment; look again with `assay wallet show`'
    const short =
      done.missingSatoshis > 0 ? `; ${done.missingSatoshis} satoshis are missing in the treasury` : ''
    const later =
      done.coins < outputs && done.transactions > 0
        ? '; the treasury is split first: ask again once a block holds that'
        : ''
    return `${done.coins} coins are made by ${done.transactions} transaction(s), and pay once a block holds them${later}${short}`
  }
  const bytes =
    'beef' in asked
      ? await readBeefFile(asked.beef)
      : await askWallet(
          asked.brc100,
          fuel.lock,
          asked.satoshis ?? 2 * coinSatoshis * poolTarget({ coinSatoshis, fanout, ...pool }),
        )
  const { txid, satoshis, coins, mined, isNew } =
    'beef' in asked ? orThrow(await fuel.fund(bytes)) : await takePaid(bytes, fuel)
  if (!isNew) return `${txid} is here already; it counts once`
  return `${satoshis} satoshis in ${coins} outputs of ${txid} are ${mined ? 'in the treasury' : 'on their way: they pay once a block holds them'}`
}

/** The wallet has paid by now, and does not do so again: whatever goes wrong, its transaction must not be lost. */
async function takePaid(bytes: Uint8Array, fuel: OpenFuel): Promise<Funded> {
  try {
    return orThrow(await fuel.fund(bytes))
  } catch (error) {
    throw new Error(
      `the wallet has paid, and that could not be taken in: ${explain(error)}\nKeep its transaction in a file, and give it to \`assay wallet fund --beef\` later:\n${toHex(bytes)}`,
      { cause: error },
    )
  }
}

/** A BEEF as bytes, or as the hex that most tools print. */
async function readBeefFile(file: string): Promise<Uint8Array> {
  const bytes = file === '-' ? await buffer(process.stdin) : await readFile(file)
  const text = fromUtf8(bytes)?.trim()
  return (text === undefined ? undefined : fromHex(text)) ?? Uint8Array.from(bytes)
}

async function onFuel<T>(work: (fuel: OpenFuel, settings: Settings) => Promise<T>): Promise<T> {
  const log = openLog('warn', process.stderr)
  const stops = openStops(log)
  try {
    const settings = readSettings(process.env)
    const database = await openNodeDatabase(settings, log, stops)
    await migrate(database, migrations)
    const keys = await openNodeKeys(settings, database.pool)
    const { chain, local } = await openNodeChain(settings, database, log, stops)
    const fuel = openNodeFuel(settings, {
      database,
      chain,
      local,
      key: keys.fuel,
      // What is for topics is left to the nodes.
      overlay: undefined,
      events: complaints,
    })
    return await work(fuel, settings)
  } finally {
    await stops.run()
  }
}

const complaints: FuelEvents = {
  onDead: (txid, reason) => console.error(`${txid} is dead: ${reason}`),
  onUnsent: (txid, error) => console.error(`${txid} is not sent yet: ${explain(error)}`),
  onTrouble: error => console.error(explain(error)),
  onRefill: () => undefined,
  onReorganisation: () => undefined,
}

function inWords({ did, network, lockingScript, level, holdings }: Answer): string {
  const { free, coming, contested, unsent } = holdings
  const budget = level.budgetSatoshis === null ? 'no bound' : `of ${level.budgetSatoshis}`
  return [
    ...(did === null ? [] : [did, '']),
    `network    ${network}${network === 'local' ? ', a private chain: this is play money' : ''}`,
    `pays to    ${lockingScript}`,
    `fuel       ${purse(free.fuel)}, for ${level.seconds} s; ${purse(coming.fuel)} wait for a block`,
    `treasury   ${purse(free.treasury)}; ${purse(coming.treasury)} wait for a block`,
    `change     ${purse(free.change)}; ${purse(coming.change)} wait for a block`,
    `today      ${level.spentTodaySatoshis} satoshis spent, ${budget}`,
    `unsent     ${unsent} transactions`,
    ...(contested.coins === 0
      ? []
      : [
          `held back  ${purse(contested)}: of dead transactions, perhaps spent by what the network took instead`,
        ]),
  ].join('\n')
}

function purse({ coins, satoshis }: Purse): string {
  return `${satoshis} satoshis in ${coins} coins`
}
