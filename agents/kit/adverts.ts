import { ADVERTS_PATH, type AdvertAnswer, readAdvertAnswer } from '../../src/contract/advert-request.ts'
import { type Beef, type BeefTransaction, writeBeef } from '../../src/contract/beef.ts'
import { hostAdvertKindOf, hostAdvertScript, hostAdvertSpendingKey } from '../../src/contract/host-advert.ts'
import { baseTopics } from '../../src/contract/names.ts'
import type { OperatorWord } from '../../src/contract/operator.ts'
import { p2pkhLock } from '../../src/contract/script.ts'
import { type Spend, signTransaction } from '../../src/contract/spend.ts'
import { readSubmittedBeef } from '../../src/contract/submitted-beef.ts'
import { agentSubject, type Issuer, spendingKey, tokenScript } from '../../src/contract/tokens.ts'
import { fromUtf8, knownHex, sameBytes, toHex, utf8 } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import type { Stage } from '../../src/core/rounds/template.ts'
import type { Call } from './call.ts'

/** Resolves with a transaction whose output i carries script i, once the overlay has it. */
export type PayForAdverts = (scripts: readonly Uint8Array[]) => Promise<Beef>

/** What an agent says of itself. */
export type AgentProfile = {
  readonly kind: Stage
  readonly key: Issuer
  readonly operator: OperatorWord
  readonly endpoints: readonly string[]
  /** Also as a host of its topic, for those who know nothing of agents; undefined where nobody can reach it. */
  readonly hostAt: string | undefined
  readonly packetsMax: number
  readonly bytesMax: number
  readonly satoshisPerThousandEvents: number
  readonly region: string | undefined
}

/** The advert as an agent comes first. */
export function advertScripts(profile: AgentProfile, expiresMs: number): Uint8Array[] {
  const { kind, key, operator, endpoints, hostAt, region } = profile
  const { packetsMax, bytesMax, satoshisPerThousandEvents } = profile
  const advert = tokenScript('GDA1', key, agentSubject(key.identityKey), {
    ...operator,
    capabilities: [kind],
    endpoints: [...endpoints],
    packetsMax,
    bytesMax,
    satoshisPerThousandEvents,
    ...(region !== undefined && { region }),
    // Nobody admits one that lasts longer than its operator's word.
    expiresMs: Math.min(expiresMs, operator.operatorToMs),
  })
  return hostAt === undefined ? [advert] : [advert, hostAdvertScript('SHIP', key, hostAt, baseTopics[kind])]
}

/** A node pays: for agents that have no coins. The first one that does is enough. */
export function sponsoredBy(nodes: readonly string[], call: Call): PayForAdverts {
  return async scripts => {
    const failures: string[] = []
    let isBusy = nodes.length > 0
    for (const node of nodes) {
      try {
        return carrying(scripts, await askSponsor(node, scripts, call))
      } catch (error) {
        isBusy &&= error instanceof BusyError
        failures.push(`${node}: ${error instanceof Error ? error.message : error}`)
      }
    }
    const why = `no node has paid for the adverts of this agent: ${failures.join('; ')}`
    throw isBusy ? new BusyError(why) : new Error(why)
  }
}

/** Not yet, as where a node has no fuel at its start: asked again, with the same scripts. */
export class BusyError extends Error {}

async function askSponsor(node: string, scripts: readonly Uint8Array[], call: Call): Promise<AdvertAnswer> {
  const { status, body } = await call(`${node.replace(/\/$/, '')}${ADVERTS_PATH}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: utf8(JSON.stringify({ scripts: scripts.map(toHex) })),
    answerBytesMax: ADVERT_ANSWER_BYTES_MAX,
  })
  const text = fromUtf8(body) ?? ''
  const refusal = `it answered with ${status}: ${text.slice(0, 300)}`
  if (status === 503) throw new BusyError(refusal)
  if (status !== 200) throw new Error(refusal)
  return orThrow(readAdvertAnswer(JSON.parse(text)))
}

const ADVERT_ANSWER_BYTES_MAX = 2 * 1024 * 1024

/** What was answered is spent some day, so it must be what was asked for. */
function carrying(scripts: readonly Uint8Array[], { beef }: AdvertAnswer): Beef {
  const read = orThrow(readSubmittedBeef(new Uint8Array(Buffer.from(beef, 'base64'))))
  const { outputs, txid } = read.subject
  if (scripts.some((script, i) => !sameBytes(outputs[i]?.script ?? new Uint8Array(0), script)))
    throw new Error(`its transaction ${txid} does not carry the adverts that it was asked for`)
  return read
}

/** One transaction that spends them all to the agent itself; it withdraws them wherever it is submitted. */
export function withdrawal(adverts: Beef, count: number, key: Issuer): Uint8Array {
  const { subject, transactions } = adverts
  const spends = subject.outputs.slice(0, count).map((spent, vout): Spend => {
    const privateKey =
      hostAdvertKindOf(spent.script) === undefined
        ? spendingKey('GDA1', agentSubject(key.identityKey), key.privateKey)
        : hostAdvertSpendingKey('SHIP', key.privateKey)
    return { txid: subject.txid, vout, spent, privateKey }
  })
  const held = spends.reduce((sum, { spent }) => sum + spent.satoshis, 0)
  const satoshis = Math.max(1, held - WITHDRAWAL_FEE)
  const back = { satoshis, script: p2pkhLock(knownHex(key.identityKey)) }
  const spender: BeefTransaction = signTransaction(spends, [back])
  return writeBeef([...transactions, spender])
}

/** Its two inputs and one output have about 300 bytes. */
const WITHDRAWAL_FEE = 60

export async function submitWithdrawal(node: string, beef: Uint8Array, call: Call): Promise<void> {
  const { status, body } = await call(`${node.replace(/\/$/, '')}/submit`, {
    method: 'POST',
    headers: {
      'content-type': 'application/octet-stream',
      'x-topics': JSON.stringify([baseTopics.agents, baseTopics.ship]),
    },
    body: beef,
  })
  if (status !== 200)
    throw new Error(
      `${node} has not taken the withdrawal of the adverts: ${status} ${(fromUtf8(body) ?? '').slice(0, 300)}`,
    )
}
