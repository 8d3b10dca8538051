import type { Unproven } from '../../serve/proof-parts.ts'
import type { Problem } from '../problem.ts'

/** What is missing for a proof, and what to do about it. */
export function proofProblem(why: Unproven | { readonly kind: 'busy' }): Problem {
  switch (why.kind) {
    case 'busy':
      return {
        code: 'busy',
        detail: 'so many are reading what was certified that no more can wait for it',
        hint: 'wait as long as Retry-After says, and ask again',
        retryAfterSeconds: 1,
      }
    case 'unsealed':
      return notReady('packet', 'the event is in the log, and in no packet yet')
    case 'uncertified':
      return notReady('certificate', uncertified(why.state))
    case 'unanchored':
      return notReady(
        'anchor',
        `the certificate ${why.txid} is written, and the network has not said yet that it has it`,
      )
    case 'unproven-history':
      return notReady(
        'history',
        `a reorganisation took the block of what the certificate ${why.txid} descends from; the next block brings it back`,
      )
    case 'revoked':
      return {
        code: 'certificate-revoked',
        detail: `the certificate ${why.txid} was spent${why.revokedBy === null ? '' : ` by ${why.revokedBy}`}, and no other one stands for the packet`,
      }
    case 'gone':
      return {
        code: 'proof-gone',
        detail: `the lines with the hash ${why.sha256} are not in the store of this node`,
      }
  }
}

/** `missing` names what has to come about next. */
type Missing = 'packet' | 'certificate' | 'anchor' | 'history'

function notReady(missing: Missing, detail: string): Problem {
  return { code: 'proof-not-ready', detail, more: { missing } }
}

function uncertified(state: string): string {
  if (state === 'split')
    return 'agents did not agree about the packet in all their tries; there is no certificate unless it is taken up again'
  if (state === 'certified')
    return 'the packet is certified, and its certificate has lost its anchor; it is being anchored anew'
  return `the packet is ${state === 'received' ? 'sealed' : state}, and not certified yet`
}
