import { AsyncLocalStorage } from 'node:async_hooks'
import {
  Engine,
  type LookupService,
  type Output,
  type OutputAdmittedByTopic,
  type Storage,
  type TopicManager,
} from '@bsv/overlay'
import { type Beef, type BeefTransaction, writeBeef } from '../../contract/beef.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'
import { atomicBeefOf } from '../bsv/atomic-beef.ts'
import { envelopeOf, SENTINEL_HEIGHT } from '../bsv/envelope.ts'
import { numbersOf } from '../bsv/numbers.ts'
import type { Hosted, HostedManager, HostedService } from './hosted.ts'
import type { Applied } from './submission.ts'

/** One transaction before the engine, for some topics, and what the engine may know while it judges. */
export type Hearing = {
  readonly transaction: BeefTransaction
  readonly topics: readonly string[]
  /** The transaction with all it needs, parents first. Made when asked for: of a long chain, each has a long one. */
  history(): readonly BeefTransaction[]
  readonly offChainValues?: Uint8Array
  holds(outpoint: Outpoint, topic: string): boolean
}

/**
 * The one place that `@bsv/overlay` runs in. It decides what is admitted and tells the lookup services; it stores
 * nothing, because what it would store comes back as the answer, to be written in one statement.
 *
 * It is shown only the transaction, "proven" by a path that this host vouches for, as the host has verified all of
 * it already. What the engine swallows (a manager or a service that throws) fails the hearing here.
 */
export function hostEngine(hosted: Hosted): {
  readonly engine: Engine
  hear(hearing: Hearing): Promise<Map<string, Applied>>
} {
  const managers = mapValues(hosted.managers, reporting)
  const services = mapValues(hosted.services, tracked)
  const noSync = mapValues(hosted.managers, (): false => false)
  const engine = new Engine(
    managers,
    services,
    ephemeralStorage,
    {
      isValidRootForHeight: async (root, height) =>
        height === SENTINEL_HEIGHT && root === sitting.getStore()?.hearing.transaction.txid,
      currentHeight: async () => 0,
    },
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    noSync,
    false,
    '',
    true,
    undefined,
    failingLogger,
  )
  return {
    engine,
    async hear(hearing) {
      const sit: Sitting = { hearing, failures: [], open: [] }
      const steak = await sitting.run(sit, async () => {
        const answer = await engine.submit(
          { beef: envelopeOf(hearing.transaction), topics: [...hearing.topics] },
          undefined,
          'historical-tx',
          hearing.offChainValues && numbersOf(hearing.offChainValues),
        )
        // The engine does not wait for what it tells about spent outputs.
        await Promise.all(sit.open)
        return answer
      })
      const [failure] = sit.failures
      if (failure !== undefined) throw failure
      return new Map(
        hearing.topics.map(topic => {
          const { outputsToAdmit = [], coinsToRetain = [], coinsRemoved = [] } = steak[topic] ?? {}
          return [topic, { admitted: outputsToAdmit, retained: coinsToRetain, removed: coinsRemoved }]
        }),
      )
    },
  }
}

type Sitting = { readonly hearing: Hearing; readonly failures: Error[]; readonly open: Promise<void>[] }

const sitting = new AsyncLocalStorage<Sitting>()

function sittingNow(): Sitting {
  const sit = sitting.getStore()
  if (sit === undefined) throw new Error('the engine is asked only while a submission is judged')
  return sit
}

/** Asks the manager about the full history instead of the envelope, and keeps what it throws. */
function reporting(manager: HostedManager, topic: string): TopicManager {
  return {
    async identifyAdmissibleOutputs(_envelope, previousCoins, offChainValues) {
      const { hearing, failures } = sittingNow()
      try {
        const answer = await ask(manager, hearing, previousCoins, offChainValues)
        refuseImpossible(answer, hearing.transaction, previousCoins)
        return { outputsToAdmit: [...answer.outputsToAdmit], coinsToRetain: [...answer.coinsToRetain] }
      } catch (cause) {
        failures.push(new Error(`${topic} could not judge ${hearing.transaction.txid}`, { cause }))
        return { outputsToAdmit: [], coinsToRetain: previousCoins }
      }
    },
    getDocumentation: () => manager.getDocumentation(),
    getMetaData: () => manager.getMetaData(),
  }
}

type Answer = { readonly outputsToAdmit: readonly number[]; readonly coinsToRetain: readonly number[] }

async function ask(
  manager: HostedManager,
  hearing: Hearing,
  previousCoins: number[],
  offChainNumbers: number[] | undefined,
): Promise<Answer> {
  if (manager.admit !== undefined)
    return manager.admit(beefBefore(hearing), previousCoins, hearing.offChainValues)
  const beef = numbersOf(writeBeef(hearing.history()))
  return manager.identifyAdmissibleOutputs(beef, previousCoins, offChainNumbers)
}

/** One and the same for every topic of a hearing: what one has found of it, the next need not find again. */
function beefBefore(hearing: Hearing): Beef {
  const beef = beefs.get(hearing) ?? beefOf(hearing.transaction, hearing.history)
  beefs.set(hearing, beef)
  return beef
}

const beefs = new WeakMap<Hearing, Beef>()

/** Read as far as the manager looks: most look at the subject alone. */
function beefOf(subject: BeefTransaction, history: Hearing['history']): Beef {
  let read: Pick<Beef, 'transactions' | 'byTxid'> | undefined
  const all = () => {
    if (read === undefined) {
      const transactions = history()
      read = { transactions, byTxid: new Map(transactions.map(each => [each.txid, each])) }
    }
    return read
  }
  return {
    subject,
    get transactions() {
      return all().transactions
    },
    get byTxid() {
      return all().byTxid
    },
  }
}

function refuseImpossible(
  { outputsToAdmit, coinsToRetain }: Answer,
  { outputs }: BeefTransaction,
  coins: number[],
): void {
  const odd = outputsToAdmit.find(
    (vout, i) => outputs[vout] === undefined || outputsToAdmit.indexOf(vout) !== i,
  )
  if (odd !== undefined) throw new Error(`it admits output ${odd}, which is not there or named twice`)
  const stray = coinsToRetain.find(input => !coins.includes(input))
  if (stray !== undefined) throw new Error(`it retains input ${stray}, which spends nothing of this topic`)
}

/** Keeps the promise of every notification, so that none is left running when the answer is written. */
function tracked(service: HostedService): LookupService {
  const keep = (told: Promise<void> | void) => {
    const { open, failures } = sittingNow()
    const done = Promise.resolve(told).catch(cause => {
      failures.push(new Error('a lookup service could not take in what was admitted', { cause }))
    })
    open.push(done)
    return done
  }
  return {
    admissionMode: service.admissionMode,
    spendNotificationMode: service.spendNotificationMode,
    outputAdmittedByTopic: payload =>
      keep(
        service.outputAdmittedByTopic(
          payload.mode === 'whole-tx'
            ? { ...payload, atomicBEEF: wholeTransaction() }
            : service.takesBytes
              ? { ...payload, lockingScript: bytesOf(payload) }
              : payload,
        ),
      ),
    outputSpent: payload =>
      keep(
        service.outputSpent?.(
          payload.mode === 'whole-tx' ? { ...payload, spendingAtomicBEEF: wholeTransaction() } : payload,
        ),
      ),
    outputNoLongerRetainedInHistory: (txid, vout, topic) =>
      keep(service.outputNoLongerRetainedInHistory?.(txid, vout, topic)),
    outputEvicted: (txid, vout) => service.outputEvicted(txid, vout),
    lookup: question => service.lookup(question),
    getDocumentation: () => service.getDocumentation(),
    getMetaData: () => service.getMetaData(),
  }
}

/** The SDK's script in everything but its bytes, which whoever has judged them knows again. */
function bytesOf({ lockingScript, outputIndex }: LockingScriptOutput): LockingScriptOutput['lockingScript'] {
  const script = sittingNow().hearing.transaction.outputs[outputIndex]?.script
  return script === undefined
    ? lockingScript
    : Object.create(lockingScript, { toBinary: { value: () => script } })
}

type LockingScriptOutput = Extract<OutputAdmittedByTopic, { mode: 'locking-script' }>

/** Of what is judged; the engine itself has seen the envelope only. */
function wholeTransaction(): number[] {
  return atomicBeefOf(sittingNow().hearing.history())
}

/** Answers what the engine must know to judge; takes in nothing. */
const ephemeralStorage: Storage = {
  async findOutput(txid, outputIndex, topic) {
    if (topic === undefined) return null
    return sittingNow().hearing.holds({ txid, vout: outputIndex }, topic)
      ? coinOf(txid, outputIndex, topic)
      : null
  },
  // Only a transaction that is still open for a topic comes before the engine.
  doesAppliedTransactionExist: async () => false,
  insertOutput: async () => undefined,
  markUTXOAsSpent: async () => undefined,
  updateConsumedBy: async () => undefined,
  deleteOutput: async () => undefined,
  insertAppliedTransaction: async () => undefined,
  findOutputsForTransaction: notOurWay,
  findUTXOsForTopic: notOurWay,
  updateTransactionBEEF: notOurWay,
  updateLastInteraction: notOurWay,
  getLastInteraction: notOurWay,
}

/** Its history is left out: the engine would follow it without waiting, and forget what another still needs. */
function coinOf(txid: string, outputIndex: number, topic: string): Output {
  return {
    txid,
    outputIndex,
    topic,
    outputScript: [],
    satoshis: 0,
    spent: false,
    outputsConsumed: [],
    consumedBy: [],
  }
}

async function notOurWay(): Promise<never> {
  throw new Error('the engine is used for judging alone; reading, proofs and sync are src/adapters/overlay')
}

/** What the engine only logs is a failure here. */
const failingLogger: typeof console = Object.assign(Object.create(console), {
  error(message: string, cause: unknown) {
    sitting.getStore()?.failures.push(new Error(message, { cause }))
  },
})

function mapValues<A, B>(
  record: Readonly<Record<string, A>>,
  each: (value: A, name: string) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, each(value, name)]))
}
