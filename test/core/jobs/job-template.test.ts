import { describe, expect, test } from 'vitest'
import { jobTemplate, jobTemplates } from '../../../src/core/jobs/job-template.ts'
import { levels, quorums } from '../../../src/core/level.ts'

describe('event job coordination: a job template', () => {
  test('has the shape that overlay clients know', () => {
    expect(jobTemplate('packet', 'normalize', 'enhanced')).toEqual({
      templateId: 'packet.normalize.enhanced',
      jobType: 'normalize',
      overlayTopics: ['gitdata.events.normalize'],
      agentRequirements: { capabilities: ['normalize'], minimumReputation: 70 },
      processingConstraints: { maxProcessingTime: 30_000, maxRetries: 4, requireConsensus: true },
      outputRequirements: { certificationLevel: 'enhanced', auditTrailRequired: true, consensusThreshold: 2 },
    })
  })

  test('asks for as many operators as the level does, whatever is wished for', () => {
    for (const level of levels) {
      const { processingConstraints, outputRequirements } = jobTemplate('packet', 'certify', level)
      expect(outputRequirements.consensusThreshold).toBe(quorums[level].agreeing)
      expect(processingConstraints.requireConsensus).toBe(level !== 'basic')
    }
  })

  test('takes the wishes that are the publisher’s to have', () => {
    const wishes = { minimumReputation: 90, geographicRestrictions: ['EU'], maxProcessingMs: 500 }
    expect(jobTemplate('packet', 'validate', 'basic', wishes)).toMatchObject({
      agentRequirements: { minimumReputation: 90, geographicRestrictions: ['EU'] },
      processingConstraints: { maxProcessingTime: 500 },
    })
  })

  test('exists for each stage of the work', () => {
    const types = (template: 'packet' | 'aggregate') =>
      jobTemplates(template, 'basic').map(({ jobType }) => jobType)
    expect(types('packet')).toEqual(['normalize', 'validate', 'certify'])
    expect(types('aggregate')).toEqual(['certify'])
  })
})
