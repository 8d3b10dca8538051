import { MerklePath } from '@bsv/sdk'
import { type BeefTransaction, writeBeef } from '../../src/contract/beef.ts'
import { readBump } from '../../src/contract/bump.ts'
import { publicKeyOf } from '../../src/contract/curve.node.ts'
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
import { concat, toHex } from '../../src/core/bytes.ts'
import { anchorScript } from '../../src/core/certificate/anchor.ts'
import { orThrow } from '../../src/core/fault.ts'
import { type Level, quorums } from '../../src/core/level.ts'
import { noLeaf } from '../../src/core/rounds/pipeline.ts'
import { rootOver } from '../../src/core/rounds/round.ts'
import { sha256, sha256Hex } from '../../src/core/sha256.node.ts'

/** Whoever has this name, with the same key in every run. */
export function person(name: string): Issuer & { readonly publicKey: Uint8Array } {
  const privateKey = sha256(name)
  const publicKey = publicKeyOf(privateKey)
  return { privateKey, publicKey, identityKey: toHex(publicKey) }
}

export const coordinator = person('coordinator')
export const agents = [person('agent 1'), person('agent 2'), person('agent 3')] as const
export const operators = [person('operator 1'), person('operator 2'), person('operator 3')] as const
export const roundId = sha256Hex('round')

export const deadlineMs = 1_700_000_060_000
export const operatorFromMs = deadlineMs - 1000
export const operatorToMs = deadlineMs + 1000

/** Transactions of one block, each with its path. */
export function mine(transactions: readonly Transaction[], height = 7): BeefTransaction[] {
  const txids = transactions.map(({ txid }) => txid)
  return transactions.map((transaction, index) => ({
    ...transaction,
    proof: orThrow(readBump(Uint8Array.from(blockPath(txids, index, height).toBinary()))),
  }))
}

/** The path of one transaction of a block, which the SDK checks as it takes it. */
export function blockPath(txids: readonly string[], index: number, height = 7): MerklePath {
  const levels: MerklePath['path'] = []
  let hashes = [...txids]
  for (let at = index; hashes.length > 1; at >>= 1) {
    const hash = hashes[at ^ 1]
    const neighbour = { offset: at ^ 1, ...(hash === undefined ? { duplicate: true } : { hash }) }
    const own = levels.length === 0 ? [{ offset: at, hash: hashes[at] ?? '', txid: true }] : []
    levels.push([...own, neighbour].sort((a, b) => a.offset - b.offset))
    hashes = Array.from({ length: Math.ceil(hashes.length / 2) }, (_, i) =>
      parentHash(hashes[2 * i] ?? '', hashes[2 * i + 1] ?? hashes[2 * i] ?? ''),
    )
  }
  if (levels.length === 0) levels.push([{ offset: 0, hash: txids[0] ?? '', txid: true }])
  return new MerklePath(height, levels)
}

function parentHash(left: string, right: string): string {
  const inHashOrder = (hash: string) => Uint8Array.from(Buffer.from(hash, 'hex')).reverse()
  return toHex(sha256(sha256(concat(inHashOrder(left), inHashOrder(right)))).reverse())
}

/** Coins from nowhere, told apart by their script, as in a block's first transaction. */
export function coins(label: string, outputs: number, satoshis = 2000): Transaction {
  return buildTransaction(
    [{ txid: '0'.repeat(64), vout: FINAL_SEQUENCE, script: sha256(label) }],
    Array.from({ length: outputs }, () => ({ satoshis, script: p2pkhLock(coordinator.publicKey) })),
  )
}

export function output(script: Uint8Array, satoshis = 1): Output {
  return { satoshis, script }
}

export function p2pkhSpend(parent: Transaction, vout: number, owner: Issuer = coordinator): Spend {
  const spent = parent.outputs[vout]
  if (spent === undefined) throw new Error(`no output ${vout}`)
  return { txid: parent.txid, vout, spent, privateKey: owner.privateKey }
}

export function tokenSpend(parent: Transaction, vout: number, tag: TokenTag, owner: Issuer): Spend {
  return { ...p2pkhSpend(parent, vout), privateKey: spendingKey(tag, roundId, owner.privateKey) }
}

export type Stage = 'normalize' | 'validate' | 'certify'
type Facts = Pick<
  TokenBodies['GDR1'],
  'template' | 'stage' | 'level' | 'members' | 'inputRoot' | 'inputHash' | 'deadlineMs' | 'outputBytesMax'
>

export function factsOf(stage: Stage, level: Level, members: number[], inputRoot: string = noLeaf): Facts {
  const inputHash = sha256Hex('round document')
  return {
    template: 'packet',
    stage,
    level,
    members,
    inputRoot,
    inputHash,
    deadlineMs,
    outputBytesMax: 1 << 20,
  }
}

export function seatScript(facts: Facts, seat: number): Uint8Array {
  const [agent, operator] = [agents[seat] ?? agents[0], operators[seat] ?? operators[0]]
  const operatorSig = signOperatorWord(operator.privateKey, agent.identityKey, operatorFromMs, operatorToMs)
  return tokenScript('GDJ1', coordinator, roundId, {
    ...facts,
    agentKey: agent.identityKey,
    operator: operator.identityKey,
    operatorSig,
    operatorFromMs,
    operatorToMs,
    locations: ['https://node.example/rounds'],
  })
}

export function threadScript(facts: Facts): Uint8Array {
  return tokenScript('GDJ1', coordinator, roundId, {
    ...facts,
    agentKey: coordinator.identityKey,
    locations: ['https://node.example/rounds'],
  })
}

export function jobTransaction(facts: Facts, spends: readonly Spend[]): Transaction {
  const seats = Array.from({ length: quorums[facts.level].seats }, (_, seat) =>
    output(seatScript(facts, seat), 120),
  )
  return signTransaction(spends, [...seats, output(threadScript(facts))])
}

export function resultScript(facts: Facts, job: Transaction, seat: number, leaves: string[]): Uint8Array {
  return tokenScript('GDR1', agents[seat] ?? agents[0], roundId, {
    ...facts,
    coordinator: coordinator.identityKey,
    jobOutpoint: { txid: job.txid, vout: seat },
    status: 'completed',
    leaves,
    workHash: sha256Hex('work'),
    evidenceHash: sha256Hex('evidence'),
  })
}

export function resultTransaction(
  facts: Facts,
  job: Transaction,
  seat: number,
  leaves: string[],
): Transaction {
  const agent = agents[seat] ?? agents[0]
  return signTransaction(
    [tokenSpend(job, seat, 'GDJ1', agent)],
    [output(resultScript(facts, job, seat, leaves))],
  )
}

export function certificateScripts(level: Level, index: number, versionId: string): Uint8Array[] {
  const body = { roundId, index, template: 'packet', level, packetId: sha256Hex(`packet ${index}`) }
  return [
    anchorScript({ manifestHash: versionId, parents: [] }),
    tokenScript('GDC1', coordinator, versionId, body),
  ]
}

/** A round from fuel to certificate, every seat answering alike. */
export function certifiedRound(level: Level, memberCount: number) {
  const members = Array.from({ length: memberCount }, (_, i) => i)
  const seats = quorums[level].seats
  const fuel = coins('fuel', 4)
  const [provenFuel] = mine([coins('another', 1), fuel, coins('a third', 1)]).slice(1)
  if (provenFuel === undefined) throw new Error('no fuel')
  const history: BeefTransaction[] = [provenFuel]
  let inputRoot: string = noLeaf
  let step: Spend[] = []
  for (const [i, stage] of (['normalize', 'validate', 'certify'] as const).entries()) {
    const facts = factsOf(stage, level, members, inputRoot)
    const leaves = members.map(member => sha256Hex(`${stage} of ${member}`))
    const job = jobTransaction(facts, [...step, p2pkhSpend(fuel, i)])
    const results = Array.from({ length: seats }, (_, seat) => resultTransaction(facts, job, seat, leaves))
    history.push(job, ...results)
    inputRoot = rootOver(leaves)
    step = [
      ...results.map(result => tokenSpend(result, 0, 'GDR1', coordinator)),
      tokenSpend(job, seats, 'GDJ1', coordinator),
    ]
  }
  const scripts = members.flatMap(member =>
    certificateScripts(level, member, sha256Hex(`certify of ${member}`)),
  )
  const certificate = signTransaction(
    [...step, p2pkhSpend(fuel, 3)],
    [...scripts.map((script, i) => output(script, i % 2)), output(p2pkhLock(coordinator.publicKey), 500)],
  )
  history.push(certificate)
  return { history, certificate, beef: writeBeef(history), fuel: provenFuel }
}
