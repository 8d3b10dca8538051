import { describe, expect, test } from 'vitest'
import { certifier } from '../../agents/certifier/certifier.ts'
import type { JobParts } from '../../agents/kit/fetch-parts.ts'
import type { AnswerPacket, PacketTask } from '../../agents/kit/packet-task.ts'
import { type AgentJob, readJob } from '../../agents/kit/read-job.ts'
import { answerOf } from '../../agents/kit/result.ts'
import { type Worked, workOn } from '../../agents/kit/work-on.ts'
import { normalizer } from '../../agents/normalizer/normalizer.ts'
import { validator } from '../../agents/validator/validator.ts'
import { readBeef, writeBeef } from '../../src/contract/beef.ts'
import { orThrow, refused } from '../../src/core/fault.ts'
import { noLeaf } from '../../src/core/rounds/pipeline.ts'
import { readRoundDocument } from '../../src/core/rounds/round-document.ts'
import { type Stage, stages } from '../../src/core/rounds/template.ts'
import { type JobChange, jobHistory, leafOf } from '../support/asking-node.ts'
import { certifiedRound, fusedPolicy, sampleEvent } from '../support/certified-round.ts'
import { party } from '../support/pipeline.ts'

const answers = { normalize: normalizer, validate: validator, certify: certifier }
const key = party('the agent')
const events = [0, 1, 2, 3].map(packet =>
  [0, 1, 2].map(i => sampleEvent(3 * packet + i, 20 + i / 8, i === 2 ? 'farm-002' : 'farm-001')),
)
const round = certifiedRound({ policy: fusedPolicy, events })
const critical = certifiedRound({ policy: fusedPolicy, events, level: 'critical' })

describe('the work of a job', () => {
  test.each(stages)(
    'at %s is, packet by packet, what the stage makes of each with what it builds on',
    stage => {
      const { work, faults } = done(stage, answers[stage])
      expect(faults).toEqual([])
      expect(work.map(({ leaf }) => leaf)).toEqual(round.packets.map(packet => leafOf(packet, stage)))
      if (stage === 'validate')
        expect(work.map(({ state }) => state)).toEqual(
          round.packets.map(({ validated }) => validated.stateBytes),
        )
    },
  )

  test('builds each packet on the one before it', () => {
    const places: PacketTask['place'][] = []
    done('certify', task => {
      places.push(task.place)
      return certifier(task)
    })
    const versions = round.packets.map(({ certified }) => certified.versionId)
    expect(places.map(({ parent }) => parent?.versionId)).toEqual([undefined, ...versions.slice(0, -1)])
    expect(places.map(({ stateIn }) => stateIn)).toEqual([
      null,
      ...round.packets.slice(0, -1).map(({ validated }) => validated.stateOut),
    ])
  })

  test('has no answer for a packet with a fault, nor for those behind it', () => {
    const { work, faults } = done(
      'normalize',
      faultyAt(2, () => refused('packet-invalid', 'not this one')),
    )
    const truth = round.packets.map(packet => leafOf(packet, 'normalize'))
    expect(work.map(({ leaf }) => leaf)).toEqual([truth[0], truth[1], noLeaf, noLeaf])
    expect(faults.map(({ packetId }) => packetId)).toEqual([round.packets[2]?.packetId])
  })

  test('goes on after a function that throws', () => {
    const thrown = () => {
      throw new Error('a bug')
    }
    const { work, faults } = done('normalize', faultyAt(3, thrown))
    expect(work.filter(({ leaf }) => leaf !== noLeaf)).toHaveLength(3)
    expect(faults[0]?.fault.detail).toMatch(/a bug/)
  })

  test('stays within the bytes that the job allows', () => {
    const whole = done('normalize', normalizer)
    const first = whole.work[0]?.output.length ?? 0
    const outputBytesMax = 4 * 40 + first + 1
    const job = jobOf('normalize', { outputBytesMax })
    const { work } = done('normalize', normalizer, job)
    expect(work.map(({ leaf }) => leaf === noLeaf)).toEqual([false, true, true, true])
    expect(answerOf(job, work, false, key).output.length).toBeLessThanOrEqual(outputBytesMax)
  })

  test('is answered with the same bytes whenever it is done again', () => {
    const job = jobOf('validate')
    const [once, again] = [1, 2].map(() => answerOf(job, done('validate', validator, job).work, false, key))
    expect(again?.result.txid).toBe(once?.result.txid)
    expect(again).toEqual(once)
  })
})

describe('a certifier', () => {
  test('does the work of both stages again at critical', () => {
    const { work, faults } = done(
      'certify',
      certifier,
      jobOf('certify', {}, critical),
      partsOf('certify', critical),
    )
    expect(faults).toEqual([])
    expect(work.map(({ leaf }) => leaf)).toEqual(critical.packets.map(packet => leafOf(packet, 'certify')))
  })

  test.each([
    ['normalize', { normalizeLeaf: '11'.repeat(32) }, /normalized again/],
    ['validate', {}, /validated again/],
  ] as const)(
    'certifies nothing at critical where %s gives something else than was agreed on',
    (stage, change, why) => {
      const parts = partsOf('certify', critical)
      const packets = parts.packets.map(packet => ({
        ...packet,
        ...change,
        ...(stage === 'validate' &&
          packet.agreed !== undefined && { agreed: { ...packet.agreed, leaf: '22'.repeat(32) } }),
      }))
      const { work, faults } = done('certify', certifier, jobOf('certify', {}, critical), {
        ...parts,
        packets,
      })
      expect(work.every(({ leaf }) => leaf === noLeaf)).toBe(true)
      expect(faults[0]?.fault.detail).toMatch(why)
    },
  )
})

function done(stage: Stage, answer: AnswerPacket, job = jobOf(stage), parts = partsOf(stage)): Worked {
  const working = workOn(job, parts, answer)
  for (;;) {
    const step = working.next()
    if (step.done === true) return step.value
  }
}

function faultyAt(packetNo: number, fault: AnswerPacket): AnswerPacket {
  return task => (task.header.packetNo === packetNo ? fault(task) : normalizer(task))
}

function jobOf(stage: Stage, change: JobChange = {}, of = round): AgentJob {
  const reader = {
    kind: stage,
    agentKey: key.identityKey,
    operator: party('operator north').identityKey,
    coordinators: new Set([of.log.identityKey]),
    packetsMax: 64,
    jobMsMax: Number.MAX_SAFE_INTEGER,
    templates: ['packet' as const],
  }
  return orThrow(readJob(orThrow(readBeef(writeBeef(jobHistory(of, stage, key, change)))), reader, 0))
}

function partsOf(stage: Stage, of = round): JobParts {
  const document = orThrow(readRoundDocument(of.roundDocument))
  const policies = new Map(document.policies.map(({ digest }) => [digest, of.policySet]))
  const packets = of.packets.map(packet => {
    const before = { normalize: undefined, validate: packet.normalized, certify: packet.validated }[stage]
    const agreed = before && {
      leaf: leafOf(packet, stage === 'validate' ? 'normalize' : 'validate'),
      output: before.bytes,
      outputHash: before.outputHash,
      state: before.stateBytes,
      stateOut: before.stateOut,
    }
    const normalizeLeaf = stage === 'certify' ? leafOf(packet, 'normalize') : undefined
    return { header: packet.header, packetId: packet.packetId, lines: packet.bytes, agreed, normalizeLeaf }
  })
  return { document, packets, policies, states: new Map() }
}
