import { describe, expect, test } from 'vitest'
import { jobTemplate, jobTemplates } from '../../../src/core/jobs/job-template.ts'
import { levels, quorums } from '../../../src/core/level.ts'
import { jobRules } from '../../support/job-rules.ts'

describe('event job coordination: a job template', () => {
  test('has the shape that overlay clients know', () => {
    expect(jobTemplate('packet', 'normalize', 'enhanced', jobRules)).toEqual({
      templateId: 'packet.normalize.enhanced',
      jobType: 'normalize',
      overlayTopics: ['gitdata.events.normalize'],
      agentRequirements: { capabilities: ['normalize'], minimumReputation: 70 },
      processingConstraints: { maxProcessingTime: 30_000, maxRetries: 4, requireConsensus: true },
      outputRequirements: { certificationLevel: 'enhanced', auditTrailRequired: true, consensusThreshold: 2 },
    })
  })

  test('asks for as many operators as the level does, whatever the rules are', () => {
    for (const level of levels) {
      const { processingConstraints, outputRequirements } = jobTemplate('packet', 'certify', level, jobRules)
      expect(outputRequirements.consensusThreshold).toBe(quorums[level].agreeing)
      expect(processingConstraints.requireConsensus).toBe(level !== 'basic')
    }
  })

  test('says by what rules jobs are given out', () => {
    const rules = { minimumReputation: 90, regions: ['EU'], maxProcessingMs: 500, maxRetries: 0 }
    expect(jobTemplate('packet', 'validate', 'basic', rules)).toMatchObject({
      agentRequirements: { minimumReputation: 90, geographicRestrictions: ['EU'] },
      processingConstraints: { maxProcessingTime: 500, maxRetries: 0 },
    })
  })

  test('exists for each stage of the work, at each level', () => {
    expect(jobTemplates(jobRules).map(({ templateId }) => templateId)).toEqual([
      ...levels.flatMap(level =>
        ['normalize', 'validate', 'certify'].map(stage => `packet.${stage}.${level}`),
      ),
      ...levels.map(level => `aggregate.certify.${level}`),
    ])
  })
})
