import { once } from 'node:events'
import { type Request, type RequestHandler, type Response, Router } from 'express'
import type { TransactionStatus } from '../adapters/chain/chain.ts'
import { type LocalChain, MempoolFullError } from '../adapters/chain/local-chain.ts'
import { writeBump } from '../contract/bump.ts'
import { toHex } from '../core/bytes.ts'
import { answerChainErrors, ChainRouteError, privateChain, refuseChainBody } from './chain-errors.ts'
import {
  JSON_BYTES_MAX,
  readFaucetBody,
  readHeadersQuery,
  readReorganiseBody,
  readStatusBody,
  readTransactionsBody,
  readTxid,
  TRANSACTIONS_BYTES_MAX,
  wantsRaw,
} from './chain-requests.ts'
import { type BodyLimits, bodyLimits, bodyReader, type WithBody } from './receive-body.ts'

export type ChainRoutesOptions = {
  readonly chain: LocalChain
  /** Lets anybody reorganise the chain: for tests. Without it the route does not exist. */
  readonly control?: boolean
  readonly onFault?: (error: unknown, request: Request) => void
  readonly limits?: Partial<BodyLimits>
}

/** What the owner of a local chain shows to followers, wallets and people; mounted under /chain. */
export function chainRoutes({
  chain,
  control = false,
  onFault = () => {},
  limits,
}: ChainRoutesOptions): Router {
  const routes = Router()
  const withBody = bodyReader({ ...bodyLimits, ...limits }, refuseChainBody)
  const octets = bodyOf(withBody, 'application/octet-stream', TRANSACTIONS_BYTES_MAX)
  /** As bytes: what JSON is, our own parser says. */
  const json = (bytesMax: number) => bodyOf(withBody, 'application/json', bytesMax)
  routes.use((_request, response, next) => {
    response.set('Cache-Control', 'no-store')
    next()
  })
  const on = (method: 'get' | 'post', path: string, ...handlers: RequestHandler[]) => {
    routes[method](path, ...handlers)
    routes.all(path, refuseOtherMethods(method))
  }

  on('get', '/tip', async (_request, response) => {
    answer(response, await chain.tip())
  })
  on('get', '/headers', (request, response) => sendHeaders(chain, request, response))
  on('get', '/transactions/:txid', (request, response) => sendTransaction(chain, request, response))
  on('post', '/transactions', octets, (request, response) => takeTransactions(chain, request, response))
  on('post', '/status', json(JSON_BYTES_MAX), async (request, response) => {
    const statuses = await chain.statusOf(readStatusBody(request))
    const transactions = Object.fromEntries([...statuses].map(([txid, status]) => [txid, shown(status)]))
    answer(response, { transactions })
  })
  on('post', '/faucet', json(JSON_BYTES_MAX), (request, response) => payOut(chain, request, response))
  if (control)
    on('post', '/reorganise', json(TRANSACTIONS_BYTES_MAX), async (request, response) => {
      const outcome = await chain.reorganise(readReorganiseBody(request))
      if (outcome.kind === 'refused')
        throw new ChainRouteError('ERR_CHAIN_REORGANISATION_REFUSED', outcome.detail)
      const { forkHeight, tip, thrownOut } = outcome
      answer(response, { forkHeight, tip, thrownOut })
    })

  routes.use(() => {
    throw new ChainRouteError('ERR_CHAIN_NO_SUCH_ROUTE', 'the local chain has no such route')
  })
  routes.use(answerChainErrors(onFault))
  return routes
}

/** One of another type is left unread, and the handler says so. It counts as under way until it is answered. */
function bodyOf(withBody: WithBody, type: string, bytesMax: number): RequestHandler {
  return (request, response, next) =>
    request.is(type) === false
      ? next()
      : withBody(request, response, bytesMax, async body => {
          request.body = body
          const answered = response.closed || once(response, 'close')
          next()
          await answered
        })
}

function answer(response: Response, body: object): void {
  response.json({ ...body, ...privateChain })
}

/** A run of 80-byte headers; or, for people, the file that `assay verify --headers` reads, which is closed. */
async function sendHeaders(chain: LocalChain, request: Request, response: Response): Promise<void> {
  const { from, count, format } = readHeadersQuery(request)
  const headers = await chain.headers(from, count)
  const accepted = request.accepts(['application/octet-stream', 'application/json'])
  if (format !== 'json' && accepted !== 'application/json') {
    response.type('application/octet-stream').send(Buffer.from(headers))
    return
  }
  if (headers.length === 0)
    throw new ChainRouteError('ERR_CHAIN_NO_SUCH_HEIGHT', `the chain has no block at height ${from} yet`)
  response.json({ network: privateChain.network, firstHeight: from, headers: toHex(headers) })
}

async function sendTransaction(chain: LocalChain, request: Request, response: Response): Promise<void> {
  const txid = readTxid(request)
  const withRaw = wantsRaw(request)
  const status = (await chain.statusOf([txid])).get(txid)
  const bytes = status && withRaw ? await chain.rawOf(txid) : undefined
  if (status === undefined || (withRaw && bytes === undefined))
    throw new ChainRouteError(
      'ERR_CHAIN_UNKNOWN_TRANSACTION',
      `${txid} is neither in a block nor waiting for one`,
    )
  answer(response, { txid, ...shown(status), ...(bytes && { raw: toHex(bytes) }) })
}

function shown(status: TransactionStatus) {
  if (status.kind !== 'mined') return { status: status.kind }
  const { proof } = status
  return {
    status: status.kind,
    blockHeight: proof.height,
    merkleRoot: proof.root,
    proof: toHex(writeBump(proof)),
  }
}

async function takeTransactions(chain: LocalChain, request: Request, response: Response): Promise<void> {
  const transactions = readTransactionsBody(request)
  const txid = transactions.at(-1)?.txid
  const outcome = await chain.broadcast(transactions).catch(whereFull)
  if (outcome.kind === 'accepted') return answer(response, { status: 'success', txid })
  throw new ChainRouteError(rejections[outcome.reason], outcome.detail, {
    txid,
    competing: outcome.competing,
  })
}

const rejections = {
  'double-spend': 'ERR_CHAIN_DOUBLE_SPEND',
  invalid: 'ERR_CHAIN_INVALID_TRANSACTION',
  orphan: 'ERR_CHAIN_ORPHAN',
  'not-final': 'ERR_CHAIN_NOT_FINAL',
} as const

/** Answers with a BEEF, so that a wallet can spend the money at once. */
async function payOut(chain: LocalChain, request: Request, response: Response): Promise<void> {
  const asked = readFaucetBody(request)
  const outcome = await chain.pay(asked).catch(whereFull)
  if (outcome.kind === 'refused') throw new ChainRouteError('ERR_CHAIN_INVALID_REQUEST', outcome.detail)
  if (outcome.kind === 'exhausted') throw new ChainRouteError('ERR_CHAIN_FAUCET_EXHAUSTED', outcome.detail)
  const { txid } = outcome.transaction
  const beef = await chain.beefOf(txid)
  if (beef === undefined) throw new Error(`the faucet's ${txid} was thrown out before it could be answered`)
  const outputs = Array.from({ length: asked.outputs }, (_, vout) => ({ vout, satoshis: asked.satoshis }))
  answer(response, { txid, outputs, beef: toHex(beef) })
}

function whereFull(error: unknown): never {
  if (error instanceof MempoolFullError) throw new ChainRouteError('ERR_CHAIN_MEMPOOL_FULL', error.message)
  throw error
}

function refuseOtherMethods(method: 'get' | 'post'): RequestHandler {
  const allowed = method === 'get' ? 'GET, HEAD' : 'POST'
  return (_request, response) => {
    response.set('Allow', allowed)
    throw new ChainRouteError('ERR_CHAIN_METHOD_NOT_ALLOWED', `wanted ${allowed}`)
  }
}
