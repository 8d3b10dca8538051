import * as z from 'zod'

export const txid = z.string().regex(/^[0-9a-f]{64}$/, 'not a txid: 64 lower-case hex digits')
