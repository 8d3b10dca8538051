import { publicKeyOf } from '#curve'
import { fuelHashOf } from '../../src/contract/fuel-hash.ts'
import { signOperatorWord } from '../../src/contract/operator.ts'
import { p2pkhLock } from '../../src/contract/script.ts'
import { type Spend, signTransaction } from '../../src/contract/spend.ts'
import type { TokenBodies } from '../../src/contract/token-bodies.ts'
import { type Issuer, spendingKey, type TokenTag, tokenScript } from '../../src/contract/tokens.ts'
import {
  buildTransaction,
  FINAL_SEQUENCE,
  type Output,
  type Transaction,
} from '../../src/contract/transaction.ts'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import { anchorScript } from '../../src/core/certificate/anchor.ts'
import { digest } from '../../src/core/digest.ts'
import type { Level } from '../../src/core/level.ts'
import type { Outpoint } from '../../src/core/rounds/pipeline.ts'

/* The steps of a round, one function each, as coordinator and agents will take them. */

export type Party = Issuer & { readonly publicKey: Uint8Array }

/** Whoever has this name, with the same key in every run. */
export function party(name: string): Party {
  const privateKey = digest('assay:test-key:1', name)
  const publicKey = publicKeyOf(privateKey)
  return { privateKey, publicKey, identityKey: toHex(publicKey) }
}

/** Who asks, about which round. */
export type Asker = { readonly coordinator: Party; readonly subject: string }

export type Facts = Pick<
  TokenBodies['GDR1'],
  'template' | 'stage' | 'level' | 'members' | 'inputRoot' | 'inputHash' | 'deadlineMs' | 'outputBytesMax'
>

export type Seat = {
  readonly agent: Party
  readonly operator: Party
  readonly operatorFromMs: number
  readonly operatorToMs: number
}

const locations = ['https://node.example/rounds']

export function seatScript(
  { coordinator, subject }: Asker,
  facts: Facts,
  seat: Seat,
  inputs: readonly Outpoint[],
): Uint8Array {
  const { operatorFromMs, operatorToMs } = seat
  const agentKey = seat.agent.identityKey
  return tokenScript('GDJ1', coordinator, subject, {
    ...facts,
    agentKey,
    operator: seat.operator.identityKey,
    operatorSig: signOperatorWord(seat.operator.privateKey, agentKey, operatorFromMs, operatorToMs),
    operatorFromMs,
    operatorToMs,
    locations,
    ...fuelOf(facts, inputs),
  })
}

export function threadScript(
  { coordinator, subject }: Asker,
  facts: Facts,
  inputs: readonly Outpoint[],
): Uint8Array {
  const agentKey = coordinator.identityKey
  return tokenScript('GDJ1', coordinator, subject, {
    ...{ ...facts, agentKey, locations },
    ...fuelOf(facts, inputs),
  })
}

function fuelOf(facts: Facts, inputs: readonly Outpoint[]) {
  const fuelHash = fuelHashOf(facts, inputs)
  return fuelHash === undefined ? {} : { fuelHash }
}

export function jobTransaction(
  asker: Asker,
  facts: Facts,
  seats: readonly Seat[],
  spends: readonly Spend[],
  change: readonly Output[] = [],
): Transaction {
  const seatOutputs = seats.map(seat => output(seatScript(asker, facts, seat, spends), 100))
  return signTransaction(spends, [...seatOutputs, output(threadScript(asker, facts, spends)), ...change])
}

/** What an agent says. */
export type Answer = Pick<TokenBodies['GDR1'], 'status' | 'leaves' | 'workHash' | 'evidenceHash'>

export function resultScript(
  { coordinator, subject }: Asker,
  facts: Facts,
  jobOutpoint: TokenBodies['GDR1']['jobOutpoint'],
  agent: Party,
  answer: Answer,
): Uint8Array {
  const body = { ...facts, coordinator: coordinator.identityKey, jobOutpoint, ...answer }
  return tokenScript('GDR1', agent, subject, body)
}

export function resultTransaction(
  asker: Asker,
  facts: Facts,
  job: Transaction,
  vout: number,
  agent: Party,
  answer: Answer,
): Transaction {
  const script = resultScript(asker, facts, { txid: job.txid, vout }, agent, answer)
  return signTransaction([tokenSpend(job, vout, 'GDJ1', asker.subject, agent)], [output(script)])
}

/** Anchor and token of one member. */
export function certificateScripts(
  { coordinator, subject }: Asker,
  member: {
    readonly level: Level
    readonly index: number
    readonly packetId: string
    readonly versionId: string
    readonly parents: readonly string[]
  },
): [Uint8Array, Uint8Array] {
  const { level, index, packetId, versionId, parents } = member
  const body = { roundId: subject, index, template: 'packet', level, packetId }
  return [
    anchorScript({ manifestHash: versionId, parents }),
    tokenScript('GDC1', coordinator, versionId, body),
  ]
}

/** Coins out of nowhere, told apart by their label, as in a block's first transaction. */
export function coins(owner: Party, label: string, count: number, satoshis = 2000): Transaction {
  return buildTransaction(
    [{ txid: '0'.repeat(64), vout: FINAL_SEQUENCE, script: utf8(label) }],
    Array.from({ length: count }, () => payTo(owner, satoshis)),
  )
}

export function payTo(owner: Party, satoshis: number): Output {
  return output(p2pkhLock(owner.publicKey), satoshis)
}

export function output(script: Uint8Array, satoshis = 1): Output {
  return { satoshis, script }
}

export function p2pkhSpend(parent: Transaction, vout: number, owner: Issuer): Spend {
  const spent = parent.outputs[vout]
  if (spent === undefined) throw new Error(`${parent.txid} has no output ${vout}`)
  return { txid: parent.txid, vout, spent, privateKey: owner.privateKey }
}

export function tokenSpend(
  parent: Transaction,
  vout: number,
  tag: TokenTag,
  subject: string,
  owner: Issuer,
): Spend {
  return { ...p2pkhSpend(parent, vout, owner), privateKey: spendingKey(tag, subject, owner.privateKey) }
}
