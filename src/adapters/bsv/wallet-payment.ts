import { HTTPWalletJSON } from '@bsv/sdk'
import { toHex } from '../../core/bytes.ts'
import { readBounded } from '../../runtime/read-bounded.ts'

/** A person may have to say yes first. */
export const WALLET_MS_MAX = 120_000
const WALLET_ANSWER_BYTES_MAX = 8 * 1024 * 1024

/** Asks a BRC-100 wallet for one output to this lock. Resolves with an Atomic BEEF; the wallet sends it as well. */
export async function askWallet(url: string, lock: Uint8Array, satoshis: number): Promise<Uint8Array> {
  const bounded: typeof fetch = async (input, init) => {
    const signal = AbortSignal.timeout(WALLET_MS_MAX)
    const response = await fetch(input, { ...init, redirect: 'error', signal })
    const body = await readBounded(response, WALLET_ANSWER_BYTES_MAX, signal)
    return new Response(Uint8Array.from(body), { status: response.status })
  }
  const wallet = new HTTPWalletJSON('localhost', url.replace(/\/+$/, ''), bounded)
  const { tx } = await wallet.createAction({
    description: 'Fuel for an Assay node',
    outputs: [{ satoshis, lockingScript: toHex(lock), outputDescription: 'fuel for an Assay node' }],
    // Its outputs are found by their place in the pool, not in the wallet's order.
    options: { randomizeOutputs: false },
  })
  if (tx === undefined)
    throw new Error(`the wallet at ${url} made no transaction; look whether it waits for your consent`)
  return Uint8Array.from(tx)
}
