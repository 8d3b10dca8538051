import { fromUtf8, utf8 } from '../../src/core/bytes.ts'
import { parseCanonicalJson } from '../../src/core/canonical-json.ts'
import { againstAggregate, certifyAggregate } from '../../src/core/certificate/aggregate.ts'
import { MANIFEST_BYTES_MAX } from '../../src/core/certificate/dlm-version.ts'
import { type CertifiedManifest, readCertifiedManifest } from '../../src/core/certificate/manifest.ts'
import { accepted } from '../../src/core/fault.ts'
import { type AnswerAggregate, readAggregateTask } from '../kit/aggregate-task.ts'

/** Answers with the manifest of the statement, once every parent is seen to be what the statement says. */
export const answerAggregate: AnswerAggregate = task => {
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
