import * as z from 'zod'
import { identityKeys } from './kinds.ts'
import { secret, setting } from './setting.ts'

/** Who operates this node. */
export const adminSettings = {
  ADMIN_TOKEN: secret(
    z.string().min(16),
    'bearer token that lets in to /admin; without it nobody is let in by one',
  ),
  ADMIN_IDENTITY_KEYS: setting(
    identityKeys,
    '',
    'identities that /admin lets in where they prove it (BRC-104), separated by commas',
  ),
}
