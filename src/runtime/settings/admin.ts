import * as z from 'zod'
import { list } from './kinds.ts'
import { secret, setting } from './setting.ts'

/** Who operates this node. */
export const adminSettings = {
  ADMIN_TOKEN: secret(
    z.string().min(16),
    'bearer token that lets in to /admin; without it nobody is let in by one',
  ),
  ADMIN_IDENTITY_KEYS: setting(
    list(z.string().regex(/^0[23][0-9a-f]{64}$/, 'not compressed public keys in lower-case hex')),
    '',
    'identities that /admin lets in where they prove it (BRC-104), separated by commas',
  ),
}
