import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request, type ServerResponse } from 'node:http'
import { sha256Hex } from '#sha256'
import { signUpload, type Work, workHash, writeWork } from '../../../src/contract/work.ts'
import { fromUtf8, toHex, utf8 } from '../../../src/core/bytes.ts'
import {
  canonicalJson,
  isObject,
  type JsonObject,
  parseCanonicalJson,
} from '../../../src/core/canonical-json.ts'
import { versionIdOf } from '../../../src/core/certificate/manifest.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { noLeaf } from '../../../src/core/rounds/pipeline.ts'
import { outcomeLeaf } from '../../../src/core/work/stage-output.ts'
import { party } from '../../support/pipeline.ts'
import { type Conduct, take } from './liar.ts'
import type { TakenJob } from './taken-job.ts'

/** What is on record of a liar afterwards: any of these, or nothing where it did not take its seat, or what it did is nobody’s evidence. */
export type Evidence = 'dissent' | 'late' | 'work-void' | 'seat-answered-twice' | 'double-spend' | 'silent'

export type Lie = {
  readonly name: string
  readonly conduct: Conduct
  readonly shows: readonly Evidence[]
  /** It is told only in the second of two. */
  readonly needsTwoRounds?: true
  /** It is told in the answer to an offer, and has to be told to its end. */
  readonly needsAnOffer?: true
  /** It says nothing against anybody once the job is decided, so it is told until it came before. */
  readonly needsToBeInTime?: true
}

export const answering = (answer: (job: TakenJob) => Promise<void>): Conduct => ({ work: answer })

/** Uploads the work, and says the same of it. */
export async function stand(job: TakenJob, work: Work): Promise<void> {
  await job.upload(writeWork(work))
  await job.submit(job.result(job.said(work)))
}

type MemberWork = Work[number]

/** The same lie whoever tells it, so that two liars agree: other readings, or at certify a manifest of other bytes. */
export async function alteredWork(job: TakenJob, touched: (member: number) => boolean): Promise<Work> {
  if (job.facts.stage === 'certify')
    return changed(job, touched, member => inManifest(member, { contentHash: sha256Hex(member.output) }))
  return changed(job, touched, ({ output, state }, packetId) => {
    const altered = utf8((fromUtf8(output) ?? '').replaceAll('"celsius":', '"celsius":1'))
    return outcome(packetId, altered, state)
  })
}

/** What is honest, but for the members that are touched. */
export async function changed(
  job: TakenJob,
  touched: (member: number) => boolean,
  change: (member: MemberWork, packetId: string) => MemberWork,
): Promise<Work> {
  const [honest, ids] = await Promise.all([job.honestWork(), job.packetIds()])
  return honest.map((member, i) => (touched(i) ? change(member, ids[i] ?? '') : member))
}

export function outcome(packetId: string, output: Uint8Array, state: Uint8Array): MemberWork {
  const stateOut = state.length === 0 ? null : sha256Hex(state)
  return { leaf: outcomeLeaf(packetId, sha256Hex(output), stateOut), output, state }
}

export function inManifest({ output, state }: MemberWork, content: JsonObject): MemberWork {
  const manifest = orThrow(parseCanonicalJson(fromUtf8(output) ?? ''))
  if (!isObject(manifest) || !isObject(manifest['content'])) throw new Error('a manifest has a content')
  const other = { ...manifest, content: { ...manifest['content'], ...content } }
  return { leaf: orThrow(versionIdOf(other)), output: utf8(canonicalJson(other)), state }
}

export const altersBytes: Lie = {
  name: 'altered bytes, under the leaf that belongs to them',
  conduct: answering(async job => stand(job, await alteredWork(job, () => true))),
  shows: ['dissent'],
}

export const altersOnePacket: Lie = {
  name: 'altered bytes of the last packet of each job',
  conduct: answering(async job =>
    stand(job, await alteredWork(job, member => member === job.facts.members.length - 1)),
  ),
  shows: ['dissent'],
}

export const answersHonestly: Conduct = answering(async job => stand(job, await job.honestWork()))

const leafOfOtherBytes: Lie = {
  name: 'a leaf that is not of its bytes',
  conduct: answering(async job => {
    const work = await job.honestWork()
    await job.upload(writeWork(work))
    const leaves = work.map(() => sha256Hex(randomBytes(32)))
    await job.submit(job.result({ ...job.said(work), leaves }))
  }),
  shows: ['work-void', 'dissent'],
}

const copiesWithoutBytes: Lie = {
  name: 'the hash of another agent, without its bytes',
  conduct: answering(async job => {
    const work = await job.honestWork()
    const jobOutpoint = { txid: job.job.txid, vout: (job.seat + 1) % 3 }
    const copied = workHash(party('another agent').identityKey, jobOutpoint, writeWork(work))
    await job.submit(job.result({ ...job.said(work), workHash: copied }))
  }),
  shows: ['work-void', 'silent'],
}

const copiesOverOwnBytes: Lie = {
  name: 'the hash of another agent, over bytes of its own',
  conduct: answering(async job => {
    const work = await job.honestWork()
    await job.upload(writeWork(work))
    const copied = sha256Hex(utf8('the work hash of another agent'))
    await job.submit(job.result({ ...job.said(work), workHash: copied }))
  }),
  shows: ['work-void'],
}

const answersTwice: Lie = {
  name: 'two answers for one seat',
  conduct: answering(async job => {
    const [honest, other] = [await job.honestWork(), await alteredWork(job, () => true)]
    const results = [honest, other].map(work => job.result(job.said(work)))
    await job.upload(writeWork(honest))
    await Promise.all(results.map(result => job.submit(result)))
  }),
  shows: ['seat-answered-twice', 'double-spend'],
}

/** A result repeats the root of what its job is about. */
const altersInputRoot: Lie = {
  name: 'another input root than its job has',
  conduct: answering(async job => {
    const work = await alteredWork(job, () => true)
    const stated = { ...job.facts, inputRoot: sha256Hex(utf8('another root')) }
    await job.submit(job.result(job.said(work), job.agent, stated))
  }),
  // Nobody admits that result, so its agent has said nothing.
  shows: ['silent'],
}

const garbage: Lie = {
  name: 'garbage',
  conduct: answering(async job => {
    const bytes = new Uint8Array(randomBytes(10_000))
    await job.upload(bytes)
    const work = await job.honestWork()
    const jobOutpoint = { txid: job.job.txid, vout: job.seat }
    const over = workHash(job.agent.identityKey, jobOutpoint, bytes)
    await job.submit(job.result({ ...job.said(work), workHash: over }))
  }),
  shows: ['work-void'],
}

const saysNothing: Lie = { name: 'a seat that is taken, and nothing more', conduct: {}, shows: ['silent'] }

export const saysFailed: Lie = {
  name: 'failure, whatever the job',
  conduct: answering(async job => {
    // Without looking at anything, so that it comes before those who do.
    const work = job.facts.members.map(() => ({
      leaf: noLeaf,
      output: new Uint8Array(0),
      state: new Uint8Array(0),
    }))
    await job.upload(writeWork(work))
    await job.submit(job.result({ ...job.said(work), status: 'failed' }))
  }),
  shows: ['dissent'],
  needsToBeInTime: true,
}

/** What one liar of three operators may try. Each leaves the quorum of the other two where it is. */
export const lies: readonly Lie[] = [
  altersBytes,
  altersOnePacket,
  leafOfOtherBytes,
  {
    name: 'a result under the key of somebody else',
    conduct: answering(async job => {
      const work = await job.honestWork()
      await job.upload(writeWork(work))
      const { identityKey } = party('somebody else')
      // The key is theirs, the signature is not.
      await job.submit(job.result(job.said(work), { ...job.agent, identityKey }))
    }),
    shows: ['silent'],
  },
  copiesWithoutBytes,
  copiesOverOwnBytes,
  {
    name: 'the result of an earlier job once more',
    conduct: {
      async work(job, { notes }) {
        const earlier = notes.get('earlier')
        if (typeof earlier === 'function') return void (await earlier())
        const work = await job.honestWork()
        const result = job.result(job.said(work))
        await stand(job, work)
        notes.set('earlier', () => job.submit(result))
      },
    },
    shows: ['silent'],
    needsTwoRounds: true,
  },
  answersTwice,
  altersInputRoot,
  {
    name: 'an answer after the deadline',
    conduct: answering(async job => {
      const work = await job.honestWork()
      await new Promise(resolve => setTimeout(resolve, job.facts.deadlineMs - Date.now() + 50))
      await stand(job, work)
    }),
    shows: ['late', 'silent'],
  },
  garbage,
  {
    name: 'a gigabyte',
    conduct: answering(async job => {
      await uploadWithoutEnd(job)
      await job.submit(job.result(job.said(await job.honestWork())))
    }),
    shows: ['work-void', 'silent'],
  },
  saysNothing,
  {
    name: 'a gigabyte as the answer to the offer',
    conduct: { offered: (_job, response) => sendWithoutEnd(response) },
    shows: [],
    needsAnOffer: true,
  },
  {
    name: 'no answer to the offer',
    conduct: { offered: (_job, response) => void response.socket?.setKeepAlive(true) },
    shows: [],
  },
  {
    name: 'a refusal of every offer',
    conduct: {
      offered: (_job, response) =>
        void response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}'),
    },
    shows: [],
  },
  {
    name: 'a process that restarts at each first offer',
    conduct: {
      offered(job, response, offers) {
        if (offers === 1) response.socket?.destroy()
        else take(job, response)
      },
      ...answersHonestly,
    },
    shows: [],
  },
  {
    name: 'a flood of results, uploads and nonsense',
    conduct: answering(async job => {
      const work = await job.honestWork()
      const result = job.result(job.said(work))
      await job.upload(writeWork(work))
      const nothing = job.result({ ...job.said(work), leaves: work.map(() => noLeaf) })
      for (let n = 0; n < 20; n++)
        await Promise.all([job.submit(result), job.submit(nothing), job.upload(writeWork(work))])
    }),
    shows: ['seat-answered-twice', 'double-spend', 'dissent'],
  },
  {
    name: 'a seat that is spent to itself',
    conduct: answering(async job => void (await job.broadcast(job.seatToMyself()))),
    shows: ['silent'],
  },
  {
    name: 'a seat that is spent to itself after an answer',
    conduct: answering(async job => {
      const work = await job.honestWork()
      await job.broadcast(job.seatToMyself())
      await stand(job, work)
    }),
    shows: ['double-spend', 'seat-answered-twice', 'silent'],
  },
  saysFailed,
]

/** As a STEAK, until nobody reads on. */
async function sendWithoutEnd(response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': GIGABYTE })
  let sent = 0
  for (; sent < IN_BUFFERS_MAX && !response.destroyed; sent += CHUNK.length)
    if (!response.write(CHUNK)) await Promise.race([once(response, 'drain'), once(response, 'close')])
  response.destroy()
  if (sent >= IN_BUFFERS_MAX) throw new Error(`${sent} bytes of it were read`)
}

/** What the system between two processes may keep of what nobody has read. */
const IN_BUFFERS_MAX = 64 * 1024 * 1024
const CHUNK = Buffer.alloc(64 * 1024, 'x')
const GIGABYTE = 1024 ** 3

/** Announces a gigabyte, and sends until it is no longer taken. */
async function uploadWithoutEnd(job: TakenJob): Promise<void> {
  const jobOutpoint = { txid: job.job.txid, vout: job.seat }
  const sha256 = sha256Hex(utf8('a gigabyte'))
  const signature = signUpload(job.agent.privateKey, { jobOutpoint, sha256, length: GIGABYTE })
  const query = new URLSearchParams({
    jobOutpoint: `${job.job.txid}.${job.seat}`,
    sha256,
    length: String(GIGABYTE),
    agentKey: job.agent.identityKey,
    signature: toHex(signature),
  })
  await new Promise<void>(resolve => {
    const upload = request(`${job.nodeUrl}/uhrp/uploads?${query}`, {
      method: 'PUT',
      headers: { 'Content-Length': GIGABYTE },
    })
    let isOver = false
    const end = () => {
      isOver = true
      upload.destroy()
      resolve()
    }
    // Whatever the node does to stop it, it has stopped.
    upload.on('response', end).on('error', end).on('close', end)
    const more = () => {
      while (!isOver && upload.write(CHUNK));
      if (!isOver) upload.once('drain', more)
    }
    more()
  })
}
