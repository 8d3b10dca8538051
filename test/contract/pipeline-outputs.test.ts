import { describe, expect, test } from 'vitest'
import { signOperatorWord } from '../../src/contract/operator.ts'
import {
  certificateOutputs,
  jobOutputs,
  resultTransaction,
  stepSpends,
} from '../../src/contract/pipeline-outputs.ts'
import { pipelineTransaction } from '../../src/contract/pipeline-transaction.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import type { JobFacts } from '../../src/core/rounds/pipeline.ts'
import { coins, p2pkhSpend, party } from '../support/pipeline.ts'

const log = party('log')
const agent = party('agent')
const operator = party('operator')
const word = {
  operator: operator.identityKey,
  operatorSig: signOperatorWord(operator.privateKey, agent.identityKey, 0, 2_000),
  operatorFromMs: 0,
  operatorToMs: 2_000,
}
const facts: JobFacts = {
  coordinator: log.identityKey,
  subject: '11'.repeat(32),
  template: 'packet',
  stage: 'certify',
  level: 'basic',
  members: [0, 1],
  inputRoot: '22'.repeat(32),
  inputHash: '33'.repeat(32),
  deadlineMs: 1_000,
  outputBytesMax: 1_000,
}
const leaves = ['44'.repeat(32), '55'.repeat(32)]
const fuel = coins(log, 'fuel', 1)
const seats = [{ agentKey: agent.identityKey, word, satoshis: 100 }]
const paid = [p2pkhSpend(fuel, 0, log)]
const job = signTransaction(paid, jobOutputs(log, facts, seats, ['https://node.example/rounds'], paid))
const result = resultTransaction(agent, facts, job, 0, {
  status: 'completed',
  leaves,
  workHash: '66'.repeat(32),
  evidenceHash: '77'.repeat(32),
})

describe('what a pipeline transaction is made of', () => {
  test('is read back as the job that was meant', () => {
    expect(pipelineTransaction(job).role).toEqual({
      kind: 'job',
      facts,
      seats: [{ agentKey: agent.identityKey, operator: operator.identityKey }],
    })
  })

  describe('with the tokens of a job that begins a round', () => {
    const other = p2pkhSpend(coins(log, 'other fuel', 1), 0, log)
    test.each([
      { template: 'packet', stage: 'normalize' },
      { template: 'aggregate', stage: 'certify' },
    ])('is that job on its own inputs alone ($template)', begun => {
      const outputs = jobOutputs(log, { ...facts, ...begun }, seats, [], paid)
      expect(pipelineTransaction(signTransaction(paid, outputs)).role).toMatchObject({ kind: 'job' })
      for (const spends of [[other], [...paid, other], [other, ...paid]])
        expect(pipelineTransaction(signTransaction(spends, outputs)).role).toEqual({
          kind: 'malformed',
          why: expect.stringMatching(/name the inputs/),
        })
    })
  })

  test('is read back as the result that was meant', () => {
    expect(pipelineTransaction(result)).toMatchObject({
      inputs: [{ txid: job.txid, vout: 0 }],
      role: { kind: 'result', facts, agentKey: agent.identityKey, lockedTo: log.identityKey, leaves },
    })
  })

  test('is read back as the certificate that was meant, which spends thread and results', () => {
    const members = leaves.map((versionId, index) => ({
      index,
      packetId: `0${index}`.repeat(32),
      versionId,
      parents: [],
    }))
    const spends = stepSpends(log, facts.subject, { transaction: job, seats: 1 }, [result])
    const outputs = certificateOutputs(log, facts, members)
    expect(pipelineTransaction(signTransaction(spends, outputs))).toMatchObject({
      inputs: [
        { txid: job.txid, vout: 1 },
        { txid: result.txid, vout: 0 },
      ],
      role: { kind: 'certificate', members: members.map(({ index, versionId }) => ({ index, versionId })) },
    })
  })
})
