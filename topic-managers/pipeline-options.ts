import type { Stage, Template } from '../src/core/rounds/template.ts'

/** A topic of the pipeline: that of a stage, or that of certificates. */
export type PipelineTopic = Stage | 'certified'

export type PipelineTopicOptions = {
  /** What kinds of work are admitted; all there are when left out. */
  readonly templates?: readonly Template[]
  /** Identity keys whose jobs are admitted; everybody's when left out. */
  readonly coordinators?: readonly string[]
  /** Identity keys that may sit in a quorum; everybody's when left out, and then readers choose whom they trust. */
  readonly operators?: readonly string[]
  readonly beefBytesMax?: number
  /** Where people read about the host that mounts this; shown in the metadata. */
  readonly informationUrl?: string
}
