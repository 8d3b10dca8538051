import { dottedNameOf } from '../contract/names.ts'
import { eventWord } from '../core/jobs/vocabulary.ts'
import { writeTimestamp } from '../core/timestamp.ts'
import type { TracedEvent } from './event-trace.ts'
import { eventStateOf, verdictIn } from './event-verdict.ts'
import {
  type CountConfirmations,
  type FindPolicySet,
  liveCertificate,
  type PacketWork,
  type ReadLine,
  type ReadTransactions,
  type SeatAnswer,
  type SeatWork,
  type StageWork,
} from './packet-work.ts'
import { agreedAnswers, lastLine, stageLine } from './stage-lines.ts'
import { tokenSignature, unsigned } from './token-signature.ts'
import { independenceOf } from './trace-stage.ts'
import { rulesFor } from './transformations.ts'

export type CertificationDeps = {
  readonly findPolicySet: FindPolicySet
  readonly readLine: ReadLine
  readonly readTransactions: ReadTransactions
  readonly countConfirmations: CountConfirmations
}

/** Whether an event is certified, and on whose word, in the shape that overlay clients know. */
export async function certificationOf(
  event: TracedEvent,
  work: PacketWork | undefined,
  deps: CertificationDeps,
) {
  const index = work === undefined ? 0 : event.seq - work.header.firstSeq
  const line = work && (await lastLine(work, index, deps.readLine))
  const validated = work && (await stageLine(work, 'validate', index, deps.readLine))
  if (line === 'busy' || validated === 'busy') return 'busy' as const
  const answered = work === undefined ? [] : answeredSeats(work)
  const transactions = await deps.readTransactions(answered.map(({ answer }) => answer.txid))
  const state = eventStateOf(event.state, validated?.read)
  const versionId = work?.shown?.versionId ?? null
  const result = validated === undefined ? null : verdictIn(validated.read)
  const rules =
    work === undefined ? null : rulesFor(await deps.findPolicySet(work.header.policyDigest), event.sourceId)
  return {
    eventId: event.eventId,
    certification: {
      status: eventWord('overlay', state),
      state,
      level: work?.header.level ?? null,
      contentHash: prefixed(work?.shown?.contentHash ?? null),
      versionId,
      independence: versionId === null ? null : independenceOf(answered.map(({ seat }) => seat)),
      certificates:
        versionId === null || work === undefined
          ? []
          : answered.flatMap(each => certificateBy(each, work, transactions)),
      processingEvidence: answered.flatMap(each =>
        work === undefined ? [] : evidenceOf(each, work, transactions, { rules, result }),
      ),
    },
    overlayDistribution: work === undefined ? null : await distributionOf(work, deps),
  }
}

type Answered = { readonly stage: StageWork; readonly seat: SeatWork; readonly answer: SeatAnswer }

function answeredSeats({ stages }: PacketWork): Answered[] {
  return stages.flatMap(stage =>
    stage.seats.flatMap(seat => seat.answers.map(answer => ({ stage, seat, answer }))),
  )
}

/** One for each certifier that said what was agreed; what departs from it is no certificate. */
function certificateBy(
  { stage, seat, answer }: Answered,
  { stages }: PacketWork,
  transactions: ReadonlyMap<string, Uint8Array>,
) {
  if (stage.stage !== 'certify' || !answer.isAgreed) return []
  const certify = stages.find(each => each.stage === 'certify')
  const agreeing = agreedAnswers(certify).length
  const given = certify?.seats.reduce((sum, { answers }) => sum + answers.length, 0) ?? 0
  return [
    {
      agentId: seat.agentKey,
      agentIdentity: seat.agentKey,
      certificationType: 'integrity' as const,
      ...signatureOf(answer, transactions),
      issuedAt: writeTimestamp(answer.arrivedMs) ?? null,
      overlayEvidence: { consensusNodes: agreeing, agreementRatio: given === 0 ? null : agreeing / given },
      operator: seat.operator,
    },
  ]
}

const steps = { normalize: 'normalization', validate: 'validation' } as const

function evidenceOf(
  { stage: { stage }, seat, answer }: Answered,
  { header, stages }: PacketWork,
  transactions: ReadonlyMap<string, Uint8Array>,
  { rules, result }: { readonly rules: readonly string[] | null; readonly result: string | null },
) {
  if (stage === 'certify') return []
  const normalized = agreedAnswers(stages.find(each => each.stage === 'normalize'))[0]
  const { signature, ...signed } = signatureOf(answer, transactions)
  return [
    {
      step: steps[stage],
      agentId: seat.agentKey,
      operator: seat.operator,
      timestamp: writeTimestamp(answer.arrivedMs) ?? null,
      processingTime: seat.offeredMs === null ? null : answer.arrivedMs - seat.offeredMs,
      inputHash: prefixed(stage === 'normalize' ? header.rawHash : (normalized?.outputHash ?? null)),
      outputHash: prefixed(answer.outputHash),
      agrees: answer.isAgreed,
      ...(stage === 'validate' && {
        validationRules: rules,
        // What the rules said of this event, by those who agreed; the others have said something else.
        validationResult: answer.isAgreed ? result : null,
      }),
      brc31Signature: signature,
      ...signed,
    },
  ]
}

function signatureOf({ txid }: SeatAnswer, transactions: ReadonlyMap<string, Uint8Array>) {
  const { signature, signatureScheme, protocolID, keyID } =
    tokenSignature(transactions.get(txid), 0) ?? unsigned
  return { signature, signatureScheme, protocolID, keyID, txid, vout: 0 }
}

/** Null where there is no certificate that counts: nothing was distributed. */
async function distributionOf(work: PacketWork, { countConfirmations }: CertificationDeps) {
  const live = liveCertificate(work)
  if (live === undefined) return null
  const { blockHeight, bump, writtenMs, anchoredMs, topics } = live
  return {
    topics: topics.map(topic => {
      const dotted = dottedNameOf(topic)
      return dotted.ok ? dotted.value : topic
    }),
    publishedNodes: live.hosts,
    confirmationCount:
      blockHeight === null || bump === null ? 0 : await countConfirmations(blockHeight, bump),
    // From when it was signed to when the network had it.
    networkLatency: anchoredMs === null ? null : anchoredMs - writtenMs,
  }
}

function prefixed(hash: string | null): string | null {
  return hash === null ? null : `sha256:${hash}`
}
