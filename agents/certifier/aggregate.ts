import { sha256Hex } from '#sha256'
import { fromUtf8, utf8 } from '../../src/core/bytes.ts'
import { parseCanonicalJson } from '../../src/core/canonical-json.ts'
import {
  type AggregateDocument,
  againstAggregate,
  aggregateId,
  certifyAggregate,
  readAggregateDocument,
} from '../../src/core/certificate/aggregate.ts'
import { MANIFEST_BYTES_MAX } from '../../src/core/certificate/dlm-version.ts'
import { type CertifiedManifest, readCertifiedManifest } from '../../src/core/certificate/manifest.ts'
import { accepted, type Outcome, refused } from '../../src/core/fault.ts'
import type { JobFacts } from '../../src/core/rounds/pipeline.ts'
import type { PacketAnswer } from '../kit/packet-task.ts'

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

/** Answers with the manifest of the statement, once every parent is seen to be what the statement says. */
export function answerAggregate(task: AggregateTask): Outcome<PacketAnswer> {
  const document = readAggregateTask(task)
  if (!document.ok) return document
  const manifests: CertifiedManifest[] = []
  for (const bytes of task.manifests) {
    const json = parseCanonicalJson(fromUtf8(bytes) ?? '', MANIFEST_BYTES_MAX)
    const manifest = json.ok ? readCertifiedManifest(json.value) : json
    if (!manifest.ok) return manifest
    manifests.push(manifest.value)
  }
  const fits = againstAggregate(document.value, manifests)
  if (!fits.ok) return fits
  const certified = certifyAggregate(document.value)
  if (!certified.ok) return certified
  const { manifestJson, versionId } = certified.value
  return accepted({ leaf: versionId, output: utf8(manifestJson), state: new Uint8Array(0) })
}
