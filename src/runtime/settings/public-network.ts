import * as z from 'zod'
import { type PrivateKeyText, readPrivateKey } from '../../contract/private-key.ts'
import { reachableUrl } from './kinds.ts'
import { optional, secret } from './setting.ts'

/** What testnet and mainnet need; network-settings.ts says which of it. */
export const publicNetworkSettings = {
  ARC_URL: optional(
    reachableUrl(),
    'transaction processor of the public network, without the /v1; needed there',
  ),
  ARC_API_KEY: secret(z.string().min(1), 'what it wants to see as a bearer token'),
  ARC_CALLBACK_URL: optional(
    reachableUrl(),
    'where ARC reaches this node’s /arc-ingest; without it, proofs are asked for with each block',
  ),
  ARC_CALLBACK_TOKEN: secret(
    z.string().min(16),
    'bearer token that what is posted to /arc-ingest must carry',
  ),
  HEADERS_URL: optional(
    reachableUrl(),
    'Block Headers Service of the public network, without the /api/v1; needed there, or HEADERS_FILE',
  ),
  HEADERS_TOKEN: secret(z.string().min(1), 'what that service wants to see as a bearer token'),
  HEADERS_FILE: optional(
    z.string().min(1),
    'file of headers from the first one on, read again whenever it changes; instead of HEADERS_URL',
  ),
  WALLET_KEY: secret(
    walletKey(),
    'private key that pays on the public network, as 64 hex digits or WIF; needed there',
  ),
}

function walletKey(): z.ZodType<PrivateKeyText, string> {
  return z.string().transform((text, context) => {
    const key = readPrivateKey(text)
    if (key !== undefined) return key
    context.addIssue('not a private key as 64 hex digits or WIF')
    return z.NEVER
  })
}
