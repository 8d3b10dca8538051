import type { JobRules } from '../../src/core/jobs/job-template.ts'

/** What a node says that is set to nothing else. */
export const jobRules: JobRules = {
  minimumReputation: 70,
  regions: [],
  maxProcessingMs: 30_000,
  maxRetries: 4,
}
