import * as z from 'zod'
import type { BroadcastAnswer } from '../chain.ts'

/** What ARC says of one transaction: a status, or an error of its own numbering. */
export const arcAnswer = z.object({
  txid: z.string().nullish(),
  txStatus: z.string().nullish(),
  /** 200, or the error's number; not always that of the HTTP answer. */
  status: z.number().nullish(),
  title: z.string().nullish(),
  detail: z.string().nullish(),
  extraInfo: z.string().nullish(),
  merklePath: z.string().nullish(),
  competingTxs: z.array(z.string().regex(/^[0-9a-f]{64}$/)).nullish(),
})
export type ArcAnswer = z.output<typeof arcAnswer>

export type ArcWord =
  | { readonly kind: 'seen' }
  | { readonly kind: 'mined'; readonly merklePath: string | undefined }
  | Extract<BroadcastAnswer, { kind: 'rejected' }>
  /** No word of the network yet, or none of it: to be asked again. */
  | { readonly kind: 'waiting'; readonly detail: string }

/**
 * The network's word in ARC's. Only SEEN_ON_NETWORK says that a node has it in its mempool and has told others; what
 * ACCEPTED_BY_NETWORK announces may still turn out to be an orphan.
 */
export function readArcAnswer(answer: ArcAnswer): ArcWord {
  const { txStatus, merklePath } = answer
  if (typeof txStatus !== 'string' || txStatus === '') return readError(answer)
  switch (txStatus) {
    case 'SEEN_ON_NETWORK':
      return { kind: 'seen' }
    case 'MINED':
      return { kind: 'mined', merklePath: merklePath || undefined }
    case 'SEEN_IN_ORPHAN_MEMPOOL':
      return rejected('orphan', answer)
    case 'DOUBLE_SPEND_ATTEMPTED':
      return rejected('double-spend', answer)
    case 'REJECTED':
      return rejected(reasonOfRejection(answer), answer)
    // The others say how far it has come; MINED_IN_STALE_BLOCK, that ARC sends it once more. So would a new one.
    default:
      return { kind: 'waiting', detail: `ARC has it as ${txStatus}` }
  }
}

/** ARC hands on what a node said, in the node's words. */
function reasonOfRejection({ extraInfo, competingTxs }: ArcAnswer) {
  const said = extraInfo ?? ''
  if ((competingTxs ?? []).length > 0 || /double[ -]?spend|conflict/i.test(said)) return 'double-spend'
  if (/orphan|missing[ -]?inputs/i.test(said)) return 'orphan'
  return /non[ -]?final/i.test(said) ? 'not-final' : 'invalid'
}

/**
 * Errors that judge the transaction, by ARC's numbers. Whatever else it answers (400, 401, 409, 429, 500…) tells of
 * the request, of ARC, or of nothing in particular: 409 is what a database that is away comes out as.
 */
const verdicts: ReadonlyMap<number, 'double-spend' | 'invalid' | 'orphan'> = new Map([
  // What it spends is not known there.
  [460, 'orphan'],
  // Scripts, inputs, form, outputs.
  [461, 'invalid'],
  [462, 'invalid'],
  [463, 'invalid'],
  [464, 'invalid'],
  // The fee, its own or with its ancestors'.
  [465, 'invalid'],
  [473, 'invalid'],
  [466, 'double-spend'],
  // It spends what is frozen.
  [471, 'invalid'],
  [472, 'invalid'],
  // Its size.
  [474, 'invalid'],
])

function readError(answer: ArcAnswer): ArcWord {
  const reason = verdicts.get(answer.status ?? 0)
  return reason === undefined
    ? { kind: 'waiting', detail: `ARC gives no verdict: ${said(answer)}` }
    : rejected(reason, answer)
}

function rejected(reason: 'double-spend' | 'invalid' | 'orphan' | 'not-final', answer: ArcAnswer): ArcWord {
  return { kind: 'rejected', reason, detail: `ARC: ${said(answer)}`, competing: answer.competingTxs ?? [] }
}

function said({ txStatus, status, title, detail, extraInfo }: ArcAnswer): string {
  const parts = [
    txStatus,
    status === 200 ? undefined : status,
    title === 'OK' ? undefined : title,
    extraInfo || detail,
  ]
  return parts
    .filter(part => part !== undefined && part !== null && part !== '')
    .join(', ')
    .slice(0, 500)
}
