import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { sha256Hex } from '#sha256'
import { signUpload, type Work, workHash, writeWork } from '../../../src/contract/work.ts'
import { fromUtf8, toHex, utf8 } from '../../../src/core/bytes.ts'
import { noLeaf } from '../../../src/core/rounds/pipeline.ts'
import { outcomeLeaf } from '../../../src/core/work/stage-output.ts'
import { party } from '../../support/pipeline.ts'
import { type Conduct, take } from './liar.ts'
import type { TakenJob } from './taken-job.ts'

/** What is on record of a liar afterwards: any of these, or nothing where nothing that it signed speaks against it. */
export type Evidence =
  | 'dissent'
  | 'late'
  | 'work-void'
  | 'seat-answered-twice'
  | 'double-spend'
  | 'silent'
  | 'refused'

export type Lie = {
  readonly name: string
  readonly conduct: Conduct
  readonly shows: readonly Evidence[]
}

const answering = (answer: (job: TakenJob) => Promise<void>): Conduct => ({ work: answer })

/** Uploads the work, and says the same of it. */
async function stand(job: TakenJob, work: Work): Promise<void> {
  await job.upload(writeWork(work))
  await job.submit(job.result(job.said(work)))
}

/** The same lie whoever tells it, so that two liars agree. */
export async function alteredWork(job: TakenJob, touched: (member: number) => boolean): Promise<Work> {
  const [honest, ids] = await Promise.all([job.honestWork(), job.packetIds()])
  return honest.map((member, i) => {
    if (!touched(i)) return member
    const output = utf8((fromUtf8(member.output) ?? '').replaceAll('"celsius":', '"celsius":1'))
    return { ...member, output, leaf: outcomeLeaf(ids[i] ?? '', sha256Hex(output), null) }
  })
}

export const altersBytes: Lie = {
  name: 'altered bytes, under the leaf that belongs to them',
  conduct: answering(async job => stand(job, await alteredWork(job, () => true))),
  shows: ['dissent', 'late'],
}

export const altersOnePacket: Lie = {
  name: 'altered bytes of the last packet of each job',
  conduct: answering(async job =>
    stand(job, await alteredWork(job, member => member === job.facts.members.length - 1)),
  ),
  shows: ['dissent', 'late'],
}

export const answersHonestly: Conduct = answering(async job => stand(job, await job.honestWork()))

/** What one liar of three operators may try. Each leaves the quorum of the other two where it is. */
export const lies: readonly Lie[] = [
  altersBytes,
  altersOnePacket,
  {
    name: 'a leaf that is not of its bytes',
    conduct: answering(async job => {
      const work = await job.honestWork()
      await job.upload(writeWork(work))
      const leaves = work.map(() => sha256Hex(randomBytes(32)))
      await job.submit(job.result({ ...job.said(work), leaves }))
    }),
    shows: ['work-void', 'dissent', 'late'],
  },
  {
    name: 'a result under the key of somebody else',
    conduct: answering(async job => {
      const work = await job.honestWork()
      await job.upload(writeWork(work))
      const { identityKey } = party('somebody else')
      // The key is theirs, the signature is not.
      await job.submit(job.result(job.said(work), { ...job.agent, identityKey }))
    }),
    shows: [],
  },
  {
    name: 'the hash of another agent, without its bytes',
    conduct: answering(async job => {
      const work = await job.honestWork()
      const jobOutpoint = { txid: job.job.txid, vout: (job.seat + 1) % 3 }
      const copied = workHash(party('another agent').identityKey, jobOutpoint, writeWork(work))
      await job.submit(job.result({ ...job.said(work), workHash: copied }))
    }),
    shows: ['work-void', 'silent', 'late'],
  },
  {
    name: 'the hash of another agent, over bytes of its own',
    conduct: answering(async job => {
      const work = await job.honestWork()
      await job.upload(writeWork(work))
      const copied = sha256Hex(utf8('the work hash of another agent'))
      await job.submit(job.result({ ...job.said(work), workHash: copied }))
    }),
    shows: ['work-void', 'late'],
  },
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
    shows: [],
  },
  {
    name: 'two answers for one seat',
    conduct: answering(async job => {
      const [honest, other] = [await job.honestWork(), await alteredWork(job, () => true)]
      const results = [honest, other].map(work => job.result(job.said(work)))
      await job.upload(writeWork(honest))
      await Promise.all(results.map(result => job.submit(result)))
    }),
    shows: ['seat-answered-twice', 'double-spend'],
  },
  {
    name: 'an answer after the deadline',
    conduct: answering(async job => {
      const work = await job.honestWork()
      await new Promise(resolve => setTimeout(resolve, job.facts.deadlineMs - Date.now() + 50))
      await stand(job, work)
    }),
    shows: ['late', 'silent'],
  },
  {
    name: 'garbage',
    conduct: answering(async job => {
      const garbage = new Uint8Array(randomBytes(10_000))
      await job.upload(garbage)
      const work = await job.honestWork()
      const jobOutpoint = { txid: job.job.txid, vout: job.seat }
      const over = workHash(job.agent.identityKey, jobOutpoint, garbage)
      await job.submit(job.result({ ...job.said(work), workHash: over }))
    }),
    shows: ['work-void', 'late'],
  },
  {
    name: 'a gigabyte',
    conduct: answering(async job => {
      await uploadWithoutEnd(job)
      await job.submit(job.result(job.said(await job.honestWork())))
    }),
    shows: ['work-void', 'silent', 'late'],
  },
  { name: 'a seat that is taken, and nothing more', conduct: {}, shows: [] },
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
    shows: ['seat-answered-twice', 'double-spend', 'dissent', 'late'],
  },
  {
    name: 'a seat that is spent to itself',
    conduct: answering(async job => void (await job.broadcast(job.seatToMyself()))),
    shows: [],
  },
  {
    name: 'a seat that is spent to itself after an answer',
    conduct: answering(async job => {
      const work = await job.honestWork()
      await job.broadcast(job.seatToMyself())
      await stand(job, work)
    }),
    shows: ['double-spend', 'seat-answered-twice', 'silent', 'late'],
  },
  {
    name: 'failure, whatever the job',
    conduct: answering(async job => {
      const work = (await job.honestWork()).map(() => ({
        leaf: noLeaf,
        output: new Uint8Array(0),
        state: new Uint8Array(0),
      }))
      await job.upload(writeWork(work))
      await job.submit(job.result({ ...job.said(work), status: 'failed' }))
    }),
    shows: [],
  },
]

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
