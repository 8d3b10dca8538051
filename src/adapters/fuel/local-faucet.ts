import * as z from 'zod'
import { readSubmittedBeef } from '../../contract/submitted-beef.ts'
import type { Transaction } from '../../contract/transaction.ts'
import { knownHex } from '../../core/bytes.ts'
import { orThrow } from '../../core/fault.ts'
import { openChainClient } from '../chain/chain-client.ts'
import { FAUCET_SATOSHIS_MAX } from '../chain/faucet.ts'
import type { LocalChain } from '../chain/local-chain.ts'
import type { FuelDeps } from './open-fuel.ts'

type Faucet = NonNullable<FuelDeps['faucet']>

/** Of the chain that lives in our own database. */
export function ownFaucet(chain: Pick<LocalChain, 'pay'>): Faucet {
  return async (satoshis, lockingScript) => {
    const paid = await chain.pay({
      lockingScript,
      satoshis: Math.min(satoshis, FAUCET_SATOSHIS_MAX),
      outputs: 1,
    })
    if (paid.kind !== 'funded') throw new Error(`the faucet does not pay: ${paid.detail}`)
    return paid.transaction
  }
}

/** Of the process whose chain we follow. */
export function faucetAt(url: string, publicKey: string): Faucet {
  const client = openChainClient({ url, timeoutMs: FAUCET_MS_MAX })
  return async (satoshis): Promise<Transaction> => {
    const body = JSON.stringify({ publicKey, satoshis: Math.min(satoshis, FAUCET_SATOSHIS_MAX), outputs: 1 })
    const { beef } = await client.post(
      '/faucet',
      { type: 'application/json', body },
      { 200: z.object({ beef: z.string().regex(/^(?:[0-9a-f]{2})+$/) }) },
    )
    return orThrow(readSubmittedBeef(knownHex(beef))).subject
  }
}

const FAUCET_MS_MAX = 10_000
