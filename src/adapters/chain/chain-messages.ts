import * as z from 'zod'

/** What the local chain's routes answer, as far as a follower reads it. Unknown members are let be. */
const hash = z.string().regex(/^[0-9a-f]{64}$/)
const hex = z.string().regex(/^(?:[0-9a-f]{2})*$/)
const local = { network: z.literal('local'), economicFinality: z.literal(false) }

export const tipAnswer = z.object({ ...local, height: z.int().min(0), hash })

const status = z.discriminatedUnion('status', [
  z.object({ status: z.literal('seen') }),
  z.object({ status: z.literal('mined'), proof: hex }),
])
export const statusAnswer = z.object({ ...local, transactions: z.record(hash, status) })

export const broadcastAnswer = z.object({ ...local, status: z.literal('success'), txid: hash })

export const rejectionAnswer = z.object({
  ...local,
  status: z.literal('error'),
  code: z.enum([
    'ERR_CHAIN_DOUBLE_SPEND',
    'ERR_CHAIN_INVALID_TRANSACTION',
    'ERR_CHAIN_ORPHAN',
    'ERR_CHAIN_NOT_FINAL',
  ]),
  message: z.string(),
  competing: z.array(hash),
})
