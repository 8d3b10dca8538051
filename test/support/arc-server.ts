import { Transaction } from '@bsv/sdk'
import * as z from 'zod'
import { writeBump } from '../../src/contract/bump.ts'
import { toHex } from '../../src/core/bytes.ts'
import type { MadeNetwork } from './made-network.ts'
import { type Reply, type SmallServer, smallServer } from './small-server.ts'

/** Members of a transaction's status, or of an error that judges it. */
export type Saying = {
  readonly txStatus?: string
  readonly status?: number
  readonly title?: string
  readonly detail?: string
  readonly extraInfo?: string
  readonly merklePath?: string
  readonly competingTxs?: readonly string[]
}

export type ArcServer = SmallServer & {
  readonly apiKey: string
  /** What was handed over, in order. */
  readonly submitted: { readonly txid: string; readonly form: 'raw' | 'extended' }[]
  /** Of the last request with transactions. */
  readonly headers: () => Readonly<Record<string, unknown>>
  /** To every question about it from now on, whichever block it is in; undefined: the truth again. */
  says(txid: string, saying: Saying | undefined): void
  /** Answers instead of it, where it says something. */
  instead: (method: string, path: string) => Reply | undefined
  /** What becomes of a transaction, to whoever asked to be told. Resolves with the status of the answer. */
  callBack(txid: string, members: Saying & { readonly blockHeight?: number }): Promise<number>
}

/**
 * ARC as its specification describes it: what it is given, the network has seen at once and says so; what is in a
 * block of the network's best chain is proven; nothing without the key.
 */
export async function arcServer(network: MadeNetwork): Promise<ArcServer> {
  const apiKey = 'a-key-of-the-processor'
  const submitted: ArcServer['submitted'] = []
  const sayings = new Map<string, Saying>()
  const known = new Set<string>()
  let lastHeaders: Record<string, unknown> = {}

  const server = await smallServer(({ method = '', url = '', headers }, body) => {
    if (headers.authorization !== `Bearer ${apiKey}`) return { status: 401, body: '' }
    const instead = arc.instead(method, url)
    if (instead !== undefined) return instead
    if (method === 'POST' && url === '/v1/txs') {
      lastHeaders = headers
      const answers = z
        .array(z.object({ rawTx: z.string() }))
        .parse(JSON.parse(body))
        .map(({ rawTx }) => take(rawTx))
      // As the real one does: those that went well first.
      const ordered = answers.toSorted((a, b) => Number('detail' in a) - Number('detail' in b))
      return { status: 200, body: JSON.stringify(ordered) }
    }
    const [, txid] = /^\/v1\/tx\/([0-9a-f]{64})$/.exec(url) ?? []
    if (txid === undefined || !known.has(txid))
      return { status: 404, body: '{"status":404,"title":"Not found","detail":"it could not be found"}' }
    return { status: 200, body: JSON.stringify(standing(txid)) }
  })

  function take(rawTx: string): object {
    const isExtended = rawTx.slice(8, 20) === '0000000000ef'
    const transaction = isExtended ? Transaction.fromHexEF(rawTx) : Transaction.fromHex(rawTx)
    const txid = transaction.id('hex')
    submitted.push({ txid, form: isExtended ? 'extended' : 'raw' })
    const saying = sayings.get(txid)
    if (saying?.status !== undefined && saying.status !== 200) return { txid, ...saying }
    known.add(txid)
    return { status: 200, title: 'OK', ...standing(txid) }
  }
  function standing(txid: string): object {
    const block = network.blockOf(txid)
    const truth =
      block === undefined
        ? { txStatus: 'SEEN_ON_NETWORK', merklePath: '', blockHash: '', blockHeight: 0 }
        : {
            txStatus: 'MINED',
            merklePath: toHex(writeBump(network.proofOf(txid, block))),
            blockHash: block.hash,
            blockHeight: block.height,
          }
    return {
      timestamp: '2026-01-01T00:00:00Z',
      txid,
      extraInfo: '',
      competingTxs: null,
      ...truth,
      ...sayings.get(txid),
    }
  }

  const arc: ArcServer = {
    ...server,
    apiKey,
    submitted,
    headers: () => lastHeaders,
    instead: () => undefined,
    says(txid, saying) {
      if (saying === undefined) sayings.delete(txid)
      else sayings.set(txid, saying)
    },
    async callBack(txid, members) {
      const { 'x-callbackurl': url, 'x-callbacktoken': token } = z
        .object({ 'x-callbackurl': z.string(), 'x-callbacktoken': z.string() })
        .parse(lastHeaders)
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
        body: JSON.stringify({ timestamp: '2026-01-01T00:00:00Z', txid, ...members }),
      })
      await response.arrayBuffer()
      return response.status
    },
  }
  return arc
}
