import { sha256Hex } from '#sha256'
import { fromUtf8 } from '../../src/core/bytes.ts'
import {
  type AggregateDocument,
  aggregateId,
  readAggregateDocument,
} from '../../src/core/certificate/aggregate.ts'
import { type Outcome, refused } from '../../src/core/fault.ts'
import type { JobFacts } from '../../src/core/rounds/pipeline.ts'
import type { PacketAnswer } from './packet-task.ts'

/** What an agent says about one window or rollup, from nothing but its argument. A fault is no answer. */
export type AnswerAggregate = (task: AggregateTask) => Outcome<PacketAnswer>

/** A job of the template `aggregate`, with its document and the manifests of all parents as they were fetched. */
export type AggregateTask = {
  readonly facts: Pick<JobFacts, 'coordinator' | 'subject' | 'level' | 'inputHash'>
  readonly document: Uint8Array
  /** In the order of the document's parents. */
  readonly manifests: readonly Uint8Array[]
}

/** The document of such a job; its parents' manifests are the parts to fetch, each by its versionId. */
export function readAggregateTask({
  facts,
  document,
}: Pick<AggregateTask, 'facts' | 'document'>): Outcome<AggregateDocument> {
  if (sha256Hex(document) !== facts.inputHash)
    return refused('round-invalid', 'the document is not the one that the job names')
  const read = readAggregateDocument(fromUtf8(document) ?? '')
  if (!read.ok) return read
  const { log, level } = read.value
  if (aggregateId(read.value) !== facts.subject)
    return refused('round-invalid', 'the document is about another range than the job')
  if (log !== facts.coordinator)
    return refused('round-invalid', 'the packets are of another log than the job’s coordinator')
  return level === facts.level
    ? read
    : refused('round-invalid', `the packets are of level ${level}, and the job asks for ${facts.level}`)
}
