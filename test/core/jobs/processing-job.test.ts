import { describe, expect, test } from 'vitest'
import { processingJobs } from '../../../src/core/jobs/processing-job.ts'
import { isJob, liveResults, type SentJob } from '../../../src/core/rounds/coordinating/thread.ts'
import { honestChain, leafOf } from '../rounds/chain.ts'
import { networkWith } from '../rounds/network-with.ts'

const chain = honestChain('enhanced')

function jobAt(txid: string): SentJob {
  const transaction = chain.get(txid)
  if (transaction === undefined || !isJob(transaction)) throw new Error(`no ${txid}`)
  return transaction
}

const job = jobAt('job validate')
const answered = [0, 1].flatMap(seat => chain.get(`result validate ${seat}`) ?? [])
const results = liveResults(job, answered, networkWith(job, ...answered))

describe('event job coordination: a processing job', () => {
  test('is one seat, told in the shape that overlay clients know, with null for what no round knows', () => {
    expect(processingJobs('event', 1, job, results)[0]).toEqual({
      jobId: 'job validate.0',
      eventId: 'event',
      jobType: 'validate',
      assignedAgent: 'agent 0',
      overlayJobTemplateId: 'packet.validate.enhanced',
      inputData: { inputHash: 'document', inputRoot: job.role.facts.inputRoot },
      outputData: { leaf: leafOf('validate', 1) },
      processingEvidence: [
        {
          step: 'validate',
          agentId: 'agent 0',
          timestamp: null,
          inputHash: 'document',
          outputHash: null,
          processingTime: null,
          brc31Signature: null,
          overlayEvidence: { txid: 'result validate 0', operator: 'operator 0', status: 'completed' },
        },
      ],
      overlayCoordination: {
        roundId: 'round',
        coordinator: 'coordinator',
        operator: 'operator 0',
        level: 'enhanced',
        consensusThreshold: 2,
        agentsAsked: 3,
        deadline: '1970-01-01T00:00:01.000Z',
      },
    })
  })

  test('says what the coordinator saw of an answer', () => {
    const seen = { offeredMs: 1_000, arrivedMs: 1_250, outputHash: 'ab'.repeat(32) }
    const [told] = processingJobs('event', 0, job, results, new Map([['result validate 0', seen]]))
    expect(told?.processingEvidence).toMatchObject([
      { timestamp: '1970-01-01T00:00:01.250Z', processingTime: 250, outputHash: seen.outputHash },
    ])
  })

  test('has no output and no evidence before it is answered, and no input before its first stage', () => {
    const silent = processingJobs('event', 0, job, results)[2]
    expect(silent?.processingEvidence).toEqual([])
    expect(silent).not.toHaveProperty('outputData')
    const [first] = processingJobs('event', 0, jobAt('job normalize'), [])
    expect(first?.inputData.inputRoot).toBeNull()
  })

  test('is not there for a packet that the job leaves out', () => {
    expect(processingJobs('event', 2, job, results)).toEqual([])
  })

  test('has no deadline that a calendar cannot write', () => {
    const far = { ...job, role: { ...job.role, facts: { ...job.role.facts, deadlineMs: 2 ** 53 - 1 } } }
    expect(processingJobs('event', 0, far, [])[0]?.overlayCoordination.deadline).toBeNull()
  })
})
