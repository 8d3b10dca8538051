import type { CertificateEntry, CertificatesIndex } from '../../lookup-services/certificates-index.ts'
import type { JobEntry, JobsIndex, ListedJob } from '../../lookup-services/jobs-index.ts'
import { outpointText } from '../../src/contract/transaction.ts'

/* Of the shortest kind: they list what is there, whatever is asked. For what services say, not for what they find. */

export function inMemoryJobsIndex(now: () => number): JobsIndex {
  const listed = new Map<string, JobEntry>()
  return {
    ...unspendable,
    async put(job) {
      listed.set(outpointText(job), job)
    },
    async remove(outpoint) {
      listed.delete(outpointText(outpoint))
    },
    async find() {
      return [...listed.values()].map((job): ListedJob => {
        const said = { agentKey: null, operator: null, jobOutpoint: null, status: null, leaves: null }
        return { ...said, workHash: null, evidenceHash: null, ...job, spentBy: null, admittedMs: now() }
      })
    },
  }
}

export function inMemoryCertificatesIndex(now: () => number): CertificatesIndex {
  const listed = new Map<string, CertificateEntry>()
  return {
    ...unspendable,
    async put(certificate) {
      listed.set(outpointText(certificate), certificate)
    },
    async remove(outpoint) {
      listed.delete(outpointText(outpoint))
    },
    async find() {
      return [...listed.values()].map(({ manifest, packetId, ...said }) => {
        const { txid, vout } = said
        const { sourceIds: _, parents: __, ...from } = manifest ?? withoutManifest
        const admittedMs = now()
        return {
          ...said,
          ...from,
          packetId,
          spentBy: null,
          admittedMs,
          isForked: false,
          position: { txid, vout, admittedMs },
        }
      })
    },
  }
}

const withoutManifest = {
  ...{ streamId: null, partition: null, packetNo: null, contentHash: null, publisherKey: null },
  ...{ createdMs: null, sourceIds: null, parents: [] },
}

const unspendable = { markSpent: async () => undefined, markUnspent: async () => undefined }
