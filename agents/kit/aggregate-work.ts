import { AGGREGATE_DOC_BYTES_MAX } from '../../src/core/certificate/aggregate.ts'
import { MANIFEST_BYTES_MAX } from '../../src/core/certificate/dlm-version.ts'
import { accepted, type Outcome, refused } from '../../src/core/fault.ts'
import { type AggregateTask, type AnswerAggregate, readAggregateTask } from './aggregate-task.ts'
import { fetchLists } from './fetch-lists.ts'
import { type FetchDeps, fetchPart, inTurns, isHash, roomFor } from './fetch-parts.ts'
import type { AgentJob } from './read-job.ts'
import { noAnswers } from './result.ts'
import { answerWithin, MEMBER_BYTES, type Worked } from './work-on.ts'

/**
 * The statement of a job and the manifest of each of its parents, by their hashes. Rejects where one cannot be had now; a
 * fault is for good.
 */
export async function fetchAggregate(job: AgentJob, deps: FetchDeps): Promise<Outcome<AggregateTask>> {
  const { facts } = job
  const { inputHash } = facts
  const isIt = isHash(inputHash)
  const document = await fetchPart(job, 'document', inputHash, AGGREGATE_DOC_BYTES_MAX, deps, isIt)
  const read = readAggregateTask({ facts, document })
  if (!read.ok) return read
  const room = roomFor(deps.bytesMax)
  const names = read.value.parents.map(({ versionId }) => versionId)
  const listed = await fetchLists(job, [{ part: 'manifest', names }], deps)
  const manifests = await inTurns(names, async versionId => {
    if (room.isOver()) return undefined
    const isManifest = isHash(versionId)
    const manifest = await fetchPart(
      ...([job, 'manifest', versionId, MANIFEST_BYTES_MAX, { ...deps, listed }, isManifest] as const),
    )
    room.take(manifest.length)
    return manifest
  })
  const fetched = manifests.flatMap(manifest => manifest ?? [])
  return room.isOver()
    ? refused('round-invalid', `the manifests of its parents have more than ${deps.bytesMax} bytes`)
    : accepted({ facts, document, manifests: fetched })
}

/** The one answer that such a job asks for. */
export function workOnAggregate(job: AgentJob, task: AggregateTask, answer: AnswerAggregate): Worked {
  const answered = answerWithin(() => answer(task), job.facts.outputBytesMax - MEMBER_BYTES)
  return answered.ok
    ? { work: [answered.value], faults: [] }
    : { work: noAnswers(job), faults: [{ packetId: job.facts.subject, fault: answered.fault }] }
}
