import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { readAdvertRequest } from '../../src/contract/advert-request.ts'
import { type BeefTransaction, readBeef, writeBeef } from '../../src/contract/beef.ts'
import { signOperatorWord } from '../../src/contract/operator.ts'
import { writePartList } from '../../src/contract/part-list.ts'
import {
  jobOutputs,
  resultTransaction,
  type SeatFor,
  stepSpends,
} from '../../src/contract/pipeline-outputs.ts'
import { pipelineTransaction } from '../../src/contract/pipeline-transaction.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import { writeWork } from '../../src/contract/work.ts'
import { knownHex, utf8 } from '../../src/core/bytes.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import { orThrow } from '../../src/core/fault.ts'
import { quorums } from '../../src/core/level.ts'
import { policyDigest } from '../../src/core/policy/policy-set.ts'
import { type JobFacts, type Leaf, noLeaf } from '../../src/core/rounds/pipeline.ts'
import { rootOver } from '../../src/core/rounds/round.ts'
import { inputHash, readRoundDocument, roundIdOf } from '../../src/core/rounds/round-document.ts'
import { type Stage, stages } from '../../src/core/rounds/template.ts'
import { outcomeLeaf } from '../../src/core/work/stage-output.ts'
import type { CertifiedRound, RoundPacket } from './certified-round.ts'
import { coins, type Party, p2pkhSpend, party, payTo } from './pipeline.ts'
import { mine } from './private-chain.ts'

/* What a coordinator sends to an agent, and an HTTP server that stands where its node would: real bytes on real sockets. */

export const DEADLINE_MS = 1_900_000_000_000
const FOREVER_MS = 2_000_000_000_000

export function operatorWordFor(operator: Party, agentKey: string) {
  return {
    operator: operator.identityKey,
    operatorSig: signOperatorWord(operator.privateKey, agentKey, 0, FOREVER_MS),
    operatorFromMs: 0,
    operatorToMs: FOREVER_MS,
  }
}

export type JobChange = Partial<Pick<JobFacts, 'deadlineMs' | 'outputBytesMax' | 'members' | 'inputHash'>> & {
  readonly locations?: readonly string[]
  readonly coordinator?: Party
  /** Of the stages before, what seat i said about the members. */
  readonly said?: (stage: Stage, seat: number, truth: readonly Leaf[]) => readonly Leaf[]
}

/** A job of this stage in history form, the job last, with the agent in its first seat. */
export function jobHistory(
  round: CertifiedRound,
  stage: Stage,
  agent: Party,
  change: JobChange = {},
): BeefTransaction[] {
  const document = orThrow(readRoundDocument(round.roundDocument))
  const {
    coordinator = round.log,
    locations = ['http://127.0.0.1:9/rounds'],
    said = (_, __, truth) => truth,
  } = change
  const level = document.headers[0]?.level ?? 'basic'
  const subject = roundIdOf(document)
  const members = change.members ?? round.packets.map((_, i) => i)
  const [fuel] = mine([coins(coordinator, 'fuel of a job', stages.length, 20_000)])
  if (fuel === undefined) throw new Error('a job has fuel')
  const all: BeefTransaction[] = [fuel]
  let spends = stepSpends(coordinator, subject, { transaction: fuel, seats: 0 }, []).slice(1)
  let inputRoot = noLeaf
  for (const [i, each] of stages.entries()) {
    const facts: JobFacts = {
      ...{ coordinator: coordinator.identityKey, subject, template: 'packet', stage: each, level },
      ...{ members, inputRoot, inputHash: change.inputHash ?? inputHash(document) },
      deadlineMs: change.deadlineMs ?? DEADLINE_MS,
      outputBytesMax: change.outputBytesMax ?? 10_000_000,
    }
    const agents = Array.from({ length: quorums[level].seats }, (_, seat) =>
      each === stage && seat === 0 ? agent : party(`agent ${each} ${seat}`),
    )
    const seats = agents.map(({ identityKey }, seat): SeatFor => {
      const word = operatorWordFor(party(`operator ${['north', 'east', 'south'][seat]}`), identityKey)
      return { agentKey: identityKey, word, satoshis: 300 }
    })
    const paid = [...spends, p2pkhSpend(fuel, i, coordinator)]
    const outputs = jobOutputs(coordinator, facts, seats, locations, paid)
    const job = signTransaction(paid, [...outputs, payTo(coordinator, 1_000)])
    all.push(job)
    if (each === stage) return all
    const truth = members.map(member => leafOf(round.packets[member], each))
    const results = agents.map((by, seat) =>
      resultTransaction(by, facts, job, seat, {
        status: 'completed',
        leaves: [...said(each, seat, truth)],
        workHash: '11'.repeat(32),
        evidenceHash: '22'.repeat(32),
      }),
    )
    all.push(...results)
    spends = stepSpends(coordinator, subject, { transaction: job, seats: seats.length }, results)
    inputRoot = rootOver(truth)
  }
  return all
}

export function leafOf(packet: RoundPacket | undefined, stage: Stage): Leaf {
  if (packet === undefined) return noLeaf
  if (stage === 'certify') return packet.certified.versionId
  const { outputHash, stateOut } = stage === 'normalize' ? packet.normalized : packet.validated
  return outcomeLeaf(packet.packetId, outputHash, stateOut)
}

/** Everything that agents fetch of a round, by the path below its location. */
export function partsOf(round: CertifiedRound): Map<string, Uint8Array> {
  const document = orThrow(readRoundDocument(round.roundDocument))
  const parts = new Map<string, Uint8Array>([
    [`document/${inputHash(document)}`, utf8(round.roundDocument)],
    [`policy/${policyDigest(round.policySet)}`, utf8(canonicalJson(round.policySet))],
  ])
  for (const packet of round.packets) {
    parts.set(`packet/${packet.packetId}`, packet.bytes)
    for (const stage of ['normalize', 'validate'] as const) {
      const { bytes, stateBytes } = stage === 'normalize' ? packet.normalized : packet.validated
      const leaf = leafOf(packet, stage)
      parts.set(`outcome/${leaf}`, writeWork([{ leaf, output: bytes, state: stateBytes }]))
    }
  }
  return parts
}

export type AskingNode = {
  readonly url: string
  readonly parts: Map<string, Uint8Array>
  readonly uploads: { readonly query: URLSearchParams; readonly body: Uint8Array }[]
  readonly submissions: { readonly topics: readonly string[]; readonly beef: Uint8Array }[]
  readonly adverts: string[][]
  /** Paths below the location, in the order in which they were asked for. */
  readonly fetched: string[]
  /** Answers each of these requests otherwise: a status, or undefined to go on as usual. */
  otherwise: (request: http.IncomingMessage) => number | undefined
  close(): Promise<void>
}

/** The node of this round's log, as far as agents see it. */
export async function askingNode(round: CertifiedRound): Promise<AskingNode> {
  const parts = partsOf(round)
  const node = {
    parts,
    fetched: [],
    uploads: [],
    submissions: [],
    adverts: [],
    otherwise: () => undefined,
  } as Omit<AskingNode, 'url' | 'close'>
  let sponsored = 0
  const server = http.createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://node')
    const body = await bodyOf(request)
    const json = (value: unknown) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(value))
    }
    const status = node.otherwise(request)
    if (status !== undefined) {
      response.statusCode = status
      response.end()
    } else if (url.pathname === '/identity') {
      json({
        network: 'local',
        nodeKey: round.log.identityKey,
        successions: [],
        logKey: round.log.identityKey,
      })
    } else if (url.pathname.startsWith('/rounds/')) {
      const path = url.pathname.slice('/rounds/'.length)
      node.fetched.push(path)
      const part = parts.get(path) ?? listIn(parts, path)
      response.statusCode = part === undefined ? 404 : 200
      response.end(part)
    } else if (url.pathname === '/uhrp/uploads') {
      node.uploads.push({ query: url.searchParams, body })
      json({ status: 'success' })
    } else if (url.pathname === '/submit') {
      const topics: string[] = JSON.parse(String(request.headers['x-topics']))
      node.submissions.push({ topics, beef: body })
      const { role } = pipelineTransaction(orThrow(readBeef(body)).subject)
      const outputsToAdmit = role.kind === 'result' ? [0] : []
      json(Object.fromEntries(topics.map(topic => [topic, { outputsToAdmit, coinsToRetain: [] }])))
    } else if (url.pathname === '/agents/adverts') {
      const { scripts } = orThrow(readAdvertRequest(JSON.parse(new TextDecoder().decode(body))))
      node.adverts.push(scripts)
      const payer = party('sponsor')
      const [fuel] = mine([coins(payer, `sponsored ${sponsored++}`, 1, 10_000)])
      if (fuel === undefined) throw new Error('adverts are paid for')
      const outputs = scripts.map(script => ({ satoshis: 200, script: knownHex(script) }))
      const carrier = signTransaction([p2pkhSpend(fuel, 0, payer)], outputs)
      json({ txid: carrier.txid, beef: Buffer.from(writeBeef([fuel, carrier])).toString('base64') })
    } else {
      response.statusCode = 404
      response.end()
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return Object.assign(node, {
    url: `http://127.0.0.1:${port}`,
    async close() {
      const closed = new Promise(resolve => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  })
}

function listIn(parts: ReadonlyMap<string, Uint8Array>, path: string): Uint8Array | undefined {
  const [part, names = ''] = path.split('/')
  if (!names.includes(',')) return undefined
  return writePartList(names.split(',').map(name => parts.get(`${part}/${name}`)))
}

async function bodyOf(request: http.IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return new Uint8Array(Buffer.concat(parts))
}
