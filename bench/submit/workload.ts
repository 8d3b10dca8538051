import { readFile, writeFile } from 'node:fs/promises'
import * as z from 'zod'
import { publicKeyOf } from '#curve'
import { sha256, sha256Hex } from '#sha256'
import { blockTree, bumpOf, rootOfTree } from '../../src/adapters/chain/block-tree.ts'
import { type BeefTransaction, writeBeef } from '../../src/contract/beef.ts'
import { eventBatchToken } from '../../src/contract/event-batch.ts'
import { p2pkhLock } from '../../src/contract/script.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import type { Issuer } from '../../src/contract/tokens.ts'
import { buildTransaction, hashText, type Transaction } from '../../src/contract/transaction.ts'
import { concat, concatAll, knownHex, toHex } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { pushData } from '../../src/core/script-push.ts'
import { referenceEvent } from '../reference-event.ts'

/**
 * What is submitted, signed beforehand. A task is a list of BEEFs to be handed over one after the other: a single
 * batch, or a chain in which each batch pays with the change of the one before it and brings all of them along.
 */
export type Workload = {
  /** Of each block, by height. */
  readonly roots: ReadonlyMap<number, string>
  readonly singles: readonly Task[]
  readonly chains: readonly Task[]
}
export type Task = readonly Uint8Array[]

/** Transactions of a busy block: a Merkle path of twelve levels. */
const BLOCK_TRANSACTIONS = 4000
const CHAIN_LENGTH = 10
const PUBLISHERS = 16

/** Nothing in it is left to chance, so two runs submit the same bytes. */
export function makeWorkload({ singles, chains }: { singles: number; chains: number }): Workload {
  const publishers = Array.from({ length: PUBLISHERS }, (_, n) => publisher(n))
  const payers = Array.from({ length: singles + chains }, (_, n) => {
    const owner = publishers[n % PUBLISHERS] ?? publisher(0)
    return { owner, parent: moneyFor(owner, n) }
  })
  const { roots, proven } = mined(payers.map(({ parent }) => parent))
  const tasks = payers.map(({ owner, parent }, n) => {
    const paid: BeefTransaction[] = [{ ...parent, proof: proven(n) }]
    return Array.from({ length: n < singles ? 1 : CHAIN_LENGTH }, (_, place) => {
      paid.push(batchTransaction(owner, paid.at(-1) ?? parent, place === 0 ? 0 : 1, n * CHAIN_LENGTH + place))
      return writeBeef(paid)
    })
  })
  return { roots, singles: tasks.slice(0, singles), chains: tasks.slice(singles) }
}

type Publisher = Issuer & { readonly publicKey: Uint8Array }

function publisher(n: number): Publisher {
  const privateKey = sha256(`a publisher that only benchmarks know ${n}`)
  const publicKey = publicKeyOf(privateKey)
  return { privateKey, publicKey, identityKey: toHex(publicKey) }
}

/** One input and two outputs, as wallets make them. A block proves it, so nobody looks at what it spends. */
function moneyFor({ publicKey }: Publisher, n: number): Transaction {
  const script = concat(pushData(new Uint8Array(72).fill(1)), pushData(publicKey))
  return buildTransaction(
    [{ txid: sha256Hex(`a coin from before ${n}`), vout: 0, script }],
    [
      { satoshis: 1000, script: p2pkhLock(publicKey) },
      { satoshis: 5000, script: p2pkhLock(publicKey) },
    ],
  )
}

/** Into blocks, filled up with transactions of others. */
function mined(transactions: readonly Transaction[]) {
  const own = BLOCK_TRANSACTIONS - 1
  const blocks = Array.from({ length: Math.ceil(transactions.length / own) }, (_, block) => {
    const txids = Array.from({ length: BLOCK_TRANSACTIONS }, (_, place) =>
      place === 0
        ? sha256(`a coinbase ${block}`)
        : knownHex(transactions[block * own + place - 1]?.txid ?? sha256Hex(`a stranger ${block} ${place}`)),
    )
    return blockTree(concatAll(txids))
  })
  const heightOf = (block: number) => block + 1
  return {
    roots: new Map(blocks.map((tree, block) => [heightOf(block), hashText(rootOfTree(tree))])),
    proven(n: number) {
      const block = Math.floor(n / own)
      return bumpOf(blocks[block] ?? [], heightOf(block), (n % own) + 1)
    },
  }
}

/** A batch of one event at output 0, change at output 1. */
function batchTransaction(
  issuer: Publisher,
  parent: Transaction,
  coin: number,
  eventIndex: number,
): Transaction {
  const { occurred_at, source_id: sourceId, seq, payload } = referenceEvent(eventIndex)
  const ndjson = `${JSON.stringify({ occurred_at, seq, ...payload })}\n`
  const { script } = orThrow(
    eventBatchToken({ issuer, streamId: 'readings', sourceId, ndjson, as: 'inline' }),
  )
  const spent = parent.outputs[coin]
  if (spent === undefined) throw new Error(`the transaction that pays has no output ${coin}`)
  return signTransaction(
    [{ txid: parent.txid, vout: coin, spent, privateKey: issuer.privateKey }],
    [
      { satoshis: 1, script },
      { satoshis: spent.satoshis - 1, script: p2pkhLock(issuer.publicKey) },
    ],
  )
}

const stored = z.object({
  roots: z.array(z.tuple([z.int(), z.string()])),
  singles: z.array(z.array(z.string())),
  chains: z.array(z.array(z.string())),
})

export async function writeWorkload(file: string, { roots, singles, chains }: Workload): Promise<void> {
  const texts = (tasks: readonly Task[]) =>
    tasks.map(task => task.map(beef => Buffer.from(beef).toString('base64')))
  const content: z.input<typeof stored> = {
    roots: [...roots],
    singles: texts(singles),
    chains: texts(chains),
  }
  await writeFile(file, JSON.stringify(content))
}

export async function readWorkload(file: string): Promise<Workload> {
  const { roots, singles, chains } = stored.parse(JSON.parse(await readFile(file, 'utf8')))
  const tasks = (texts: readonly (readonly string[])[]) =>
    texts.map(task => task.map(text => new Uint8Array(Buffer.from(text, 'base64'))))
  return { roots: new Map(roots), singles: tasks(singles), chains: tasks(chains) }
}

/** Of the last BEEF of each task: for the report. */
export function meanBytes(tasks: readonly Task[]): number {
  const beefs = tasks.map(task => task.at(-1)?.length ?? 0)
  return Math.round(beefs.reduce((sum, length) => sum + length, 0) / Math.max(1, beefs.length))
}
