import * as z from 'zod'
import { type BeefTransaction, readBeef, writeBeef } from '../../src/contract/beef.ts'
import { baseTopics } from '../../src/contract/names.ts'
import type { Spend } from '../../src/contract/spend.ts'
import type { Transaction } from '../../src/contract/transaction.ts'
import { fromHex } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { type Choices, choicesFrom } from '../core/rounds/simulator/choices.ts'
import { batchChain } from '../support/batch-chains.ts'
import { batchTransaction } from '../support/event-batches.ts'
import { type Party, party } from '../support/pipeline.ts'
import { until } from '../support/until.ts'

/** A transaction that a node has acknowledged, with the bytes that were submitted. */
export type Acknowledged = {
  readonly txid: string
  readonly beef: Uint8Array
  readonly steak: Steak
  /** The network was given another transaction for the same coin first: this one may be let go. */
  readonly mayGo: boolean
}

export type Steak = z.infer<typeof steakShape>

export type SubmitLoad = {
  readonly acknowledged: ReadonlyMap<string, Acknowledged>
  /** Refused for one that is `mayGo`, and to be taken in when the network has spoken. */
  readonly awaited: ReadonlySet<string>
  /** Every answer that a client should not have had, in a sentence. */
  readonly unexpected: readonly string[]
  readonly counts: Readonly<Counts>
  /** Goes on with it; resolves when so many more than now are acknowledged, while more are under way. */
  more(count: number): Promise<void>
  /** Submits it again: another answer than before is `unexpected`. */
  again(before: Acknowledged): Promise<void>
  /** Begins nothing new; resolves when every request is answered. */
  rest(): Promise<void>
}

export type Counts = { submitted: number; repeated: number; broken: number; busy: number }

export type SubmitLoadOptions = {
  readonly url: string
  readonly seed: number
  readonly clients: number
}

/**
 * Clients that submit batches at once: by themselves, in chains, twice, and two for one coin. Each sends the same
 * bytes again where a connection breaks or the node is busy, as long as it takes.
 */
export function submitLoad({ url, seed, clients }: SubmitLoadOptions): SubmitLoad {
  const acknowledged = new Map<string, Acknowledged>()
  const awaited = new Set<string>()
  const unexpected: string[] = []
  const counts: Counts = { submitted: 0, repeated: 0, broken: 0, busy: 0 }
  let isResting = true
  let running: Promise<void>[] = []

  /** Until there is an answer. */
  async function ask(path: string, headers: Record<string, string>, body: Uint8Array): Promise<Answer> {
    for (let tries = 0; ; tries++) {
      if (tries > 0) counts.repeated += 1
      try {
        const response = await fetch(url + path, {
          method: 'POST',
          headers,
          body: Uint8Array.from(body),
          signal: AbortSignal.timeout(ANSWER_MS_MAX),
        })
        const text = await response.text()
        if (response.status !== 503) return { status: response.status, text }
        counts.busy += 1
      } catch {
        // The node was killed, or is not up yet: what became of the request is not known, so it is made again.
        counts.broken += 1
      }
      await pause(AGAIN_MS)
    }
  }

  async function submit(beef: Uint8Array): Promise<Answer> {
    counts.submitted += 1
    const topics = { 'Content-Type': 'application/octet-stream', 'X-Topics': JSON.stringify([topic]) }
    return ask('/submit', topics, beef)
  }

  /** Submits the last of these, which must be admitted. */
  async function admit(history: readonly BeefTransaction[], mayGo = false): Promise<void> {
    const beef = writeBeef(history)
    const txid = history.at(-1)?.txid ?? ''
    const answer = await submit(beef)
    if (answer.status === 200) acknowledged.set(txid, { txid, beef, steak: steakOf(answer), mayGo })
    else if (!mayGo || answer.status !== 409) unexpected.push(`${txid}: ${answer.status} ${answer.text}`)
  }

  async function again({ txid, beef, steak }: Acknowledged): Promise<void> {
    const answer = await submit(beef)
    if (answer.status !== 200 || JSON.stringify(steakOf(answer)) !== JSON.stringify(steak))
      unexpected.push(
        `${txid} was answered ${JSON.stringify(steak)}, and again ${answer.status} ${answer.text}`,
      )
  }

  async function fund(owner: Party, outputs: number): Promise<Coin[]> {
    const body = JSON.stringify({ publicKey: owner.identityKey, satoshis: 1000, outputs })
    const answer = await ask('/chain/faucet', { 'Content-Type': 'application/json' }, Buffer.from(body))
    if (answer.status !== 200) throw new Error(`the faucet: ${answer.status} ${answer.text}`)
    const { beef } = z.object({ beef: z.string() }).parse(JSON.parse(answer.text))
    const { subject, transactions } = orThrow(readBeef(fromHex(beef) ?? new Uint8Array()))
    return subject.outputs.slice(0, outputs).map((spent, vout) => ({
      history: transactions,
      spend: { txid: subject.txid, vout, spent, privateKey: owner.privateKey },
    }))
  }

  const client = (name: string, choices: Choices) => {
    const publisher = party(`${name} ${seed}`)
    const { pick } = choices
    const coins: Coin[] = []
    let batches = 0
    const coin = async (): Promise<Coin> => {
      const ready = coins.pop()
      if (ready !== undefined) return ready
      coins.push(...(await fund(publisher, COINS_AT_ONCE)))
      return coin()
    }
    const batch = (owner: Party, { spend }: Coin): Transaction => {
      batches += 1
      return batchTransaction(owner, [spend], { text: `{"batch":"${name} ${batches}"}\n` })
    }
    const plainOne = async () => {
      const from = await coin()
      await admit([...from.history, batch(publisher, from)])
    }
    const chainOfThem = async () => {
      const { history, spend } = await coin()
      const chain = batchChain(publisher, spend, 2 + pick(4))
      // From either end: who comes first brings its ancestors.
      const places = chain.map((_, place) => place)
      const order = [places, places.toReversed(), places.slice(-1)][pick(3)] ?? places
      for (const place of order) await admit([...history, ...chain.slice(0, place + 1)])
    }
    const earlierOne = async () => {
      const before = [...acknowledged.values()].at(-1 - pick(Math.min(acknowledged.size, 200)))
      if (before !== undefined && !before.mayGo) await again(before)
    }
    const twoForOneCoin = async () => {
      const from = await coin()
      const both = [batch(publisher, from), batch(publisher, from)]
      const answers = await Promise.all(
        both.map(async transaction => {
          const { txid } = transaction
          const beef = writeBeef([...from.history, transaction])
          const answer = await submit(beef)
          if (answer.status === 200)
            acknowledged.set(txid, { txid, beef, steak: steakOf(answer), mayGo: false })
          return answer
        }),
      )
      const statuses = answers.map(({ status }) => status).sort()
      if (statuses.join() !== '200,409')
        unexpected.push(
          `two for one coin: ${answers.map(({ status, text }) => `${status} ${text}`).join('; ')}`,
        )
    }
    const oneTooLate = async () => {
      // By a key of its own, as evidence of double spends is bounded per key.
      const owner = party(`${name} ${seed} late ${batches}`)
      const [from] = await fund(owner, 1)
      if (from === undefined) throw new Error('the faucet paid nothing')
      const [theirs, ours] = [batch(owner, from), batch(owner, from)]
      const octets = { 'Content-Type': 'application/octet-stream' }
      const taken = await ask('/chain/transactions', octets, writeBeef([...from.history, theirs]))
      if (taken.status !== 200) unexpected.push(`the network: ${taken.status} ${taken.text}`)
      await admit([...from.history, ours], true)
      const beef = writeBeef([...from.history, theirs])
      const answer = await submit(beef)
      if (answer.status === 200)
        acknowledged.set(theirs.txid, { txid: theirs.txid, beef, steak: steakOf(answer), mayGo: false })
      else if (answer.status === 409) awaited.add(theirs.txid)
      else unexpected.push(`${theirs.txid}: ${answer.status} ${answer.text}`)
    }
    const acts = [
      plainOne,
      plainOne,
      plainOne,
      chainOfThem,
      chainOfThem,
      earlierOne,
      twoForOneCoin,
      oneTooLate,
    ]
    return async () => {
      while (!isResting) {
        await acts[pick(acts.length)]?.()
        await pause(pick(THINK_MS_MAX))
      }
    }
  }
  const all = Array.from({ length: clients }, (_, n) => client(`publisher ${n}`, choicesFrom(seed + n)))

  return {
    acknowledged,
    awaited,
    unexpected,
    counts,
    async more(count) {
      const enough = acknowledged.size + count
      if (isResting) {
        isResting = false
        running = all.map((work, n) =>
          work().catch((error: unknown) => {
            unexpected.push(`client ${n} gave up: ${error instanceof Error ? error.stack : error}`)
          }),
        )
      }
      await until(() => acknowledged.size >= enough || unexpected.length > 0)
    },
    again,
    async rest() {
      isResting = true
      await Promise.all(running)
    },
  }
}

type Answer = { readonly status: number; readonly text: string }
type Coin = { readonly spend: Spend; readonly history: readonly BeefTransaction[] }

const topic = baseTopics.ingest
const ANSWER_MS_MAX = 60_000
const AGAIN_MS = 20
const THINK_MS_MAX = 30
const COINS_AT_ONCE = 10

const indexes = z.array(z.number())
const steakShape = z.strictObject({
  [topic]: z.strictObject({ outputsToAdmit: indexes, coinsToRetain: indexes, coinsRemoved: indexes }),
})

function steakOf({ text }: Answer): Steak {
  return steakShape.parse(JSON.parse(text))
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds))
}
