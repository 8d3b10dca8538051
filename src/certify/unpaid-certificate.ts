import { baseTopics } from '../contract/names.ts'
import { certificateOutputs, stepSpends } from '../contract/pipeline-outputs.ts'
import type { Issuer } from '../contract/tokens.ts'
import type { Purpose } from '../contract/unpaid.ts'
import { utf8 } from '../core/bytes.ts'
import type { DueCertificate, UnpaidCertificate } from './ports.ts'

/** In the place of a stage: what a round's last transaction is for. */
export const CERTIFICATE_PURPOSE = 'certificate'

/**
 * The transaction that ends a decided round: it spends the thread and every answer at hand, and says of each member
 * which version it has. The manifests that are for everybody travel beside it.
 */
export function unpaidCertificate(due: DueCertificate, log: Issuer, nowMs: number): UnpaidCertificate {
  const { lease, template, level, audience, job, threadVout, results, members } = due
  const subject = lease.roundId
  const certified = members.map(({ index, packetId, versionId, manifest }) => ({
    ...{ index, packetId, versionId },
    parents: manifest.lineage.parents,
  }))
  const open = audience === 'public' ? members.filter(({ isOpen }) => isOpen) : []
  return {
    purpose: certificatePurpose(due),
    unpaid: {
      spends: stepSpends(log, subject, { transaction: job, seats: threadVout }, results),
      outputs: certificateOutputs(log, { subject, template, level }, certified),
      // The stage before retains what is spent, and admits nothing.
      topics: [baseTopics.certified, baseTopics.certify],
      ...(open.length > 0 && {
        offChainValues: utf8(open.map(({ manifestJson }) => `${manifestJson}\n`).join('')),
      }),
    },
    members,
    nowMs,
  }
}

function certificatePurpose({ lease, rebuild }: DueCertificate): Purpose {
  return { subject: lease.roundId, stage: CERTIFICATE_PURPOSE, rebuild }
}
