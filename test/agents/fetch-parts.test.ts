import { afterEach, describe, expect, test } from 'vitest'
import { sha256Hex } from '#sha256'
import { openCalls } from '../../agents/kit/call.ts'
import { type FetchDeps, fetchParts } from '../../agents/kit/fetch-parts.ts'
import { type AgentJob, readJob } from '../../agents/kit/read-job.ts'
import { readBeef, writeBeef } from '../../src/contract/beef.ts'
import { writePartList } from '../../src/contract/part-list.ts'
import { verifyRequest } from '../../src/contract/request-signature.ts'
import { writeWork } from '../../src/contract/work.ts'
import { concat, utf8 } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { inputHash, readRoundDocument, writeRoundDocument } from '../../src/core/rounds/round-document.ts'
import { type Stage, stages } from '../../src/core/rounds/template.ts'
import { type AskingNode, askingNode, type JobChange, jobHistory } from '../support/asking-node.ts'
import { certifiedRound, fusedEvents, fusedPolicy } from '../support/certified-round.ts'
import { party } from '../support/pipeline.ts'

const round = certifiedRound({ policy: fusedPolicy, events: fusedEvents })
const key = party('the agent')
const opened: (() => unknown)[] = []

afterEach(async () => {
  for (const close of opened.splice(0)) await close()
})

describe('an agent that fetches the parts of a job', () => {
  test.each(stages)('has everything that it works with at %s', async stage => {
    const node = await started()
    const parts = orThrow(await fetchParts(jobOf(stage, node), deps()))
    expect(parts.packets.map(({ packetId }) => packetId)).toEqual(
      round.packets.map(({ packetId }) => packetId),
    )
    expect(parts.policies.size).toBe(1)
    for (const [i, { lines, agreed }] of parts.packets.entries()) {
      expect(lines).toEqual(stage === 'validate' ? new Uint8Array(0) : round.packets[i]?.bytes)
      const before = {
        normalize: undefined,
        validate: round.packets[i]?.normalized,
        certify: round.packets[i]?.validated,
      }[stage]
      expect(agreed?.output).toEqual(before?.bytes)
      expect(agreed?.stateOut).toEqual(before?.stateOut)
    }
  })

  test.each([
    ['document', 'normalize'],
    ['policy', 'normalize'],
    ['packet', 'normalize'],
    ['outcome', 'validate'],
    ['outcome', 'certify'],
    ['packet', 'certify'],
  ] as const)('takes no other bytes for a %s at %s', async (part, stage) => {
    const node = await started()
    const job = jobOf(stage, node)
    const names = [...node.parts.keys()].filter(name => name.startsWith(`${part}/`))
    for (const name of names) {
      const right = node.parts.get(name) ?? new Uint8Array(0)
      for (const wrong of [altered(right), right.slice(1), concat(right, utf8('\n')), new Uint8Array(0)]) {
        node.parts.set(name, wrong)
        // The outcome of another stage is not asked for.
        const asked = await fetchParts(job, deps()).then(
          () => 'fetched',
          error => String(error),
        )
        if (part !== 'outcome') expect(asked).toMatch(new RegExp(`${part} .* could not be fetched`))
        else expect(asked).toMatch(/fetched|longer/)
      }
      node.parts.set(name, right)
    }
    expect((await fetchParts(job, deps())).ok).toBe(true)
  })

  test('asks for what is one of many together, and for nothing twice', async () => {
    const node = await started()
    for (const stage of stages) expect((await fetchParts(jobOf(stage, node), deps())).ok).toBe(true)
    const lists = node.fetched.filter(path => path.includes(','))
    expect(lists.map(path => path.split('/')[0])).toEqual(['packet', 'outcome', 'packet', 'outcome'])
    const alone = node.fetched.filter(path => !path.includes(','))
    expect(new Set(alone.map(path => path.split('/')[0]))).toEqual(new Set(['document', 'policy']))
  })

  test.each([
    ['nothing', new Uint8Array(0)],
    ['what is no list', utf8('no list')],
    ['a list that ends early', Uint8Array.of(0, 0, 0, 9, 1)],
    ['a list of other bytes', writePartList(round.packets.map(() => utf8('other')))],
    ['a list without anything', writePartList(round.packets.map(() => undefined))],
  ])('asks for each by itself where a list has %s', async (_, list) => {
    const node = await started()
    const names = round.packets.map(({ packetId }) => packetId)
    node.parts.set(`packet/${names.join(',')}`, list)
    const parts = orThrow(await fetchParts(jobOf('normalize', node), deps()))
    expect(parts.packets.map(({ lines }) => lines)).toEqual(round.packets.map(({ bytes }) => bytes))
    expect(names.every(name => node.fetched.includes(`packet/${name}`))).toBe(true)
  })

  test('takes no outcome whose state or output was exchanged', async () => {
    const node = await started()
    const job = jobOf('certify', node)
    const [leaf = ''] = job.agreed ?? []
    const [first] = round.packets
    if (first === undefined) throw new Error('a round has packets')
    const { bytes, stateBytes } = first.validated
    const state = concat(stateBytes, utf8(' '))
    for (const work of [
      { leaf, output: bytes, state },
      { leaf, output: stateBytes, state: bytes },
    ]) {
      node.parts.set(`outcome/${leaf}`, writeWork([work]))
      await expect(fetchParts(job, deps())).rejects.toThrow(/outcome .* has other bytes/)
    }
  })

  test('goes to the next location where one has other bytes, or none', async () => {
    const [empty, wrong, right] = [await started(), await started(), await started()]
    empty.parts.clear()
    for (const [name, bytes] of wrong.parts) wrong.parts.set(name, altered(bytes))
    const job = jobOf('certify', right)
    const locations = [empty, wrong, right].map(({ url }) => `${url}/rounds/`)
    expect((await fetchParts({ ...job, locations }, deps())).ok).toBe(true)
  })

  test('refuses for good a document of another round', async () => {
    const node = await started()
    const document = orThrow(readRoundDocument(round.roundDocument))
    const other = { ...document, try: 2 }
    node.parts.set(`document/${inputHash(other)}`, utf8(writeRoundDocument(other)))
    const fetched = await fetchParts(jobOf('normalize', node, { inputHash: inputHash(other) }), deps())
    expect(fetched.ok || fetched.fault.detail).toMatch(/of another round/)
  })

  test('refuses members that leave out the first packet of their partition', async () => {
    const node = await started()
    const fetched = await fetchParts(jobOf('normalize', node, { members: [1] }), deps())
    expect(fetched.ok || fetched.fault.detail).toMatch(/a run from the first one/)
  })

  test('refuses packets of another log than the one that asks', async () => {
    const node = await started()
    const stranger = party('stranger')
    const fetched = await fetchParts(jobOf('normalize', node, { coordinator: stranger }), deps())
    expect(fetched.ok || fetched.fault.detail).toMatch(/another log/)
  })

  test('refuses more bytes than it takes', async () => {
    const node = await started()
    const fetched = await fetchParts(jobOf('normalize', node), { ...deps(), bytesMax: 10 })
    expect(fetched.ok || fetched.fault.detail).toMatch(/this agent takes 10/)
  })

  test('refuses outcomes that have far more bytes than the packets they are of', async () => {
    const swollen = certifiedRound({
      conspire: packet => {
        const bytes = concat(...Array.from({ length: 9 }, () => packet.normalized.bytes))
        return { ...packet, normalized: { ...packet.normalized, bytes, outputHash: sha256Hex(bytes) } }
      },
    })
    const node = await started(swollen)
    const bytesMax = swollen.packets.reduce((sum, { header }) => sum + header.bytes, 0)
    const job = jobOf('validate', node, {}, swollen)
    const fetched = await fetchParts(job, { ...deps(), bytesMax })
    expect(fetched.ok || fetched.fault.detail).toMatch(/outcomes and states together/)
    expect((await fetchParts(job, { ...deps(), bytesMax: 9 * bytesMax })).ok).toBe(true)
  })

  test('says who it is where it is asked to, and only there', async () => {
    const node = await started()
    const signed: boolean[] = []
    node.otherwise = request => {
      const { 'x-identity-key': identityKey, 'x-nonce': nonce, 'x-signature': signature } = request.headers
      if (identityKey === undefined) return 401
      // Where nobody can show it to the node of another log.
      expect(request.url).toContain(`?log=${round.log.identityKey}`)
      const asked = { method: 'GET', path: request.url ?? '', nonce: String(nonce), body: new Uint8Array(0) }
      const named = { identityKey: String(identityKey), signature: String(signature), version: 2 as const }
      signed.push(verifyRequest({ ...asked, ...named }, { nowMs: Date.now(), windowSeconds: 60 }).ok)
      return undefined
    }
    expect((await fetchParts(jobOf('normalize', node), deps())).ok).toBe(true)
    expect(signed.length).toBeGreaterThan(2)
    expect(signed.every(Boolean)).toBe(true)
  })
})

async function started(of = round): Promise<AskingNode> {
  const node = await askingNode(of)
  opened.push(node.close)
  return node
}

function deps(): FetchDeps {
  const { call, close } = openCalls({ nodes: [], isLocal: () => true })
  opened.unshift(close)
  return { call, key, bytesMax: 1 << 26, policies: new Map(), now: Date.now }
}

function jobOf(stage: Stage, node: AskingNode, change: JobChange = {}, of = round): AgentJob {
  const { coordinator = round.log } = change
  const history = jobHistory(of, stage, key, { locations: [`${node.url}/rounds`], ...change })
  const reader = {
    kind: stage,
    agentKey: key.identityKey,
    operator: party('operator north').identityKey,
    coordinators: new Set([coordinator.identityKey]),
    packetsMax: 64,
    jobMsMax: Number.MAX_SAFE_INTEGER,
    templates: ['packet' as const],
  }
  return orThrow(readJob(orThrow(readBeef(writeBeef(history))), reader, 0))
}

function altered(bytes: Uint8Array): Uint8Array {
  const other = bytes.slice()
  const middle = bytes.length >> 1
  other[middle] = (other[middle] ?? 0) ^ 1
  return other
}
