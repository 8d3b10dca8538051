import { type Request, type RequestHandler, type Response, Router } from 'express'
import * as z from 'zod'
import type { Chain } from '../adapters/chain/chain.ts'
import type { DeclarationKind, Declarations } from '../adapters/declarations/declarations.ts'
import type { Overlay } from '../adapters/overlay/overlay.ts'
import { readBeef, writeBeef } from '../contract/beef.ts'
import type { Bump } from '../contract/bump.ts'
import { againstEnvelope, bumpOf, type SpvEnvelope, spvEnvelope } from '../contract/spv-envelope.ts'
import { readTransaction, type Transaction, varInt } from '../contract/transaction.ts'
import { fromHex, fromUtf8, toHex } from '../core/bytes.ts'
import { ANCHOR_PARENTS_MAX, anchorScript, isDataScript, readAnchor } from '../core/certificate/anchor.ts'
import { type DlmVersion, MANIFEST_BYTES_MAX, readManifest } from '../core/certificate/dlm-version.ts'
import { readPushes } from '../core/script-push.ts'
import { networkOf } from '../runtime/network-of.ts'
import { type Dlm1Error, sendDlm1Error } from './dlm1-errors.ts'
import { limitAtOnce } from './limit-at-once.ts'
import { overlayFailures } from './overlay-failures.ts'
import { parseJson } from './read-json.ts'
import { bodyLimits, bodyReader } from './receive-body.ts'

export type Dlm1RouteDeps = {
  readonly declarations: Declarations
  readonly overlay: Pick<Overlay, 'submit' | 'hosted'>
  readonly chain: Pick<Chain, 'rootAt' | 'statusOf'>
  readonly limits?: Partial<Dlm1RouteLimits>
  /** Where a request comes from; its socket's other end, where nothing is said. */
  addressOf?(request: Request): string | undefined
  now(): number
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

export type Dlm1RouteLimits = {
  /** A manifest, a transaction in hex twice, and a path. */
  readonly bodyBytesMax: number
  readonly requestsAtOnceMax: number
  /** So long a client may take to read its answer. */
  readonly answerMsMax: number
}

export const dlm1RouteLimits: Dlm1RouteLimits = {
  bodyBytesMax: MANIFEST_BYTES_MAX + 4 * 1024 * 1024,
  requestsAtOnceMax: 16,
  answerMsMax: 60_000,
}

/**
 * What DLM1 clients ask of a node: the output that declares a version, and to take in a transaction that does. To be
 * mounted before the overlay's routes, whose `POST /submit` takes everything that is not JSON.
 */
export function dlm1Routes(deps: Dlm1RouteDeps): Router {
  const limits = { ...dlm1RouteLimits, ...deps.limits }
  const withBody = bodyReader(bodyLimits)
  const places = limitAtOnce(limits.requestsAtOnceMax, limits.answerMsMax)
  const withJson =
    (answer: (body: unknown, request: Request) => Promise<object>): RequestHandler =>
    (request, response) =>
      withBody(request, response, limits.bodyBytesMax, body =>
        places(response, async () => {
          const told = await answer(body instanceof Uint8Array ? parseJson(body) : body, request)
          if (isError(told)) sendDlm1Error(response, told)
          else response.json(told)
        }),
      )
  const routes = Router({ caseSensitive: true })

  const build = withJson(async body => builtFrom(body))
  routes.post('/submit/dlm1', (request, response, next) =>
    request.is('application/json') ? build(request, response, next) : sendDlm1Error(response, notJson),
  )
  const { addressOf = request => request.socket.remoteAddress } = deps
  const receive = withJson((body, request) => received(body, networkOf(addressOf(request)), deps))
  routes.post('/submit', (request, response, next) =>
    request.is('application/json') ? receive(request, response, next) : next(),
  )
  routes.get('/declarations/:txid/envelope', (request, response) =>
    places(response, () => giveEnvelope(request.params.txid, response, deps)),
  )
  routes.use(overlayFailures(deps.onFailure))
  return routes
}

function isError(told: object): told is Dlm1Error {
  return 'error' in told
}

const notJson: Dlm1Error = {
  error: 'unsupported-media-type',
  hint: 'send {"manifest": …} with Content-Type application/json',
}

/** The output that a wallet puts into a transaction of its own to declare this version. */
function builtFrom(body: unknown): object {
  const asked = z.looseObject({ manifest: z.looseObject({}) }).safeParse(body)
  if (!asked.success)
    return {
      error: 'invalid-input',
      hint: 'send a JSON object with the manifest as its member "manifest"',
      details: issuesOf(asked.error),
    }
  const version = readManifest(JSON.stringify(asked.data.manifest))
  if (!version.ok) {
    const { detail, pointer } = version.fault
    return { error: 'schema-validation-failed', hint: detail, ...(pointer && { details: [{ pointer }] }) }
  }
  const { versionId, parents } = version.value
  if (parents.length > ANCHOR_PARENTS_MAX)
    return {
      error: 'schema-validation-failed',
      hint: `the manifest has ${parents.length} parents, and an output names at most ${ANCHOR_PARENTS_MAX}; declare what brings them together first`,
    }
  const script = anchorScript({ manifestHash: versionId, parents })
  const scriptHex = toHex(script)
  const bytes = SATOSHIS_BYTES + varInt(script.length).length + script.length
  return {
    status: 'ok',
    versionId,
    manifestHash: versionId,
    parents,
    outputs: [{ scriptHex, satoshis: 0 }],
    opReturnScriptHex: scriptHex,
    opReturnOutputBytes: bytes,
    estOutputSize: bytes,
  }
}

const SATOSHIS_BYTES = 8

const submission = z.looseObject({
  rawTx: z.string(),
  manifest: z.looseObject({}),
  suggestedEnvelope: spvEnvelope.optional(),
  topics: z.array(z.string().max(64)).max(64).optional(),
})

/** Takes in what a transaction declares; of the topics named, those answer that have taken something of it. */
async function received(body: unknown, network: string, deps: Dlm1RouteDeps): Promise<object> {
  const asked = submission.safeParse(body)
  if (!asked.success)
    return {
      error: 'invalid-body',
      hint: 'send {rawTx, manifest, suggestedEnvelope?, topics?}, the transaction in hex',
      details: issuesOf(asked.error),
    }
  const { rawTx, manifest, suggestedEnvelope, topics = [] } = asked.data
  const raw = fromHex(rawTx.toLowerCase())
  const transaction = raw && readTransaction(raw)
  if (!transaction?.ok)
    return {
      error: 'invalid-rawtx',
      hint: transaction === undefined ? 'rawTx is not hex' : transaction.fault.detail,
    }
  const version = readManifest(JSON.stringify(manifest))
  if (!version.ok) return { error: 'invalid-manifest', hint: version.fault.detail }
  const said = declaredIn(transaction.value, version.value)
  if ('error' in said) return said
  const proof = suggestedEnvelope && (await provenBy(suggestedEnvelope, transaction.value, deps))
  if (proof !== undefined && 'error' in proof) return proof

  const { txid } = transaction.value
  const { versionId } = version.value
  const { kind, vout } = said
  const nowMs = deps.now()
  const declared = await deps.declarations.declare({
    transaction: transaction.value,
    kind,
    vout,
    version: kind === 'DLM1' ? version.value : undefined,
    ...{ proof, network, nowMs },
  })
  if (declared.kind === 'full') return tooManyUnproven(declared.againMs - nowMs)
  const answered = await askTopics(transaction.value, proof, topics, deps)
  return { status: 'success', txid, versionId, type: kind, vout: vout ?? null, topics: answered }
}

function tooManyUnproven(waitMs: number): Dlm1Error {
  return {
    error: 'too-many-unproven',
    hint: 'this node keeps no more declarations that nothing proves; send it with suggestedEnvelope once a block has it, submit it to a topic first, or wait as long as Retry-After says',
    retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
  }
}

/** The first output that carries data is what counts, as other readers have it. */
function declaredIn(
  { outputs }: Transaction,
  { versionId }: DlmVersion,
): { readonly kind: DeclarationKind; readonly vout: number | undefined } | Dlm1Error {
  const vout = outputs.findIndex(({ script }) => isDataScript(script))
  const script = outputs[vout]?.script
  if (script === undefined) return { kind: 'UNKNOWN', vout: undefined }
  const anchor = readAnchor(script)
  if (!anchor.ok) return { kind: isTraining(script) ? 'TRN1' : 'UNKNOWN', vout }
  if (anchor.value.manifestHash === versionId) return { kind: 'DLM1', vout }
  return {
    error: 'onchain-mh-mismatch',
    hint: `output ${vout} declares ${anchor.value.manifestHash}, and the manifest hashes to ${versionId}; send the manifest that was declared`,
  }
}

function isTraining(script: Uint8Array): boolean {
  const start = script[0] === 0x6a ? 1 : 2
  const [first] = readPushes(script, start)?.pushes ?? []
  return first !== undefined && fromUtf8(first.subarray(0, 4)) === 'TRN1'
}

/** Against our own headers alone: one that comes along costs its sender nothing to make. */
async function provenBy(
  envelope: SpvEnvelope,
  { txid, raw }: Transaction,
  { chain }: Pick<Dlm1RouteDeps, 'chain'>,
): Promise<Bump | Dlm1Error> {
  const why = againstEnvelope(envelope, { txid, rawHex: toHex(raw) })
  if (why !== undefined)
    return notProven(why, 'the envelope contradicts itself, or is of another transaction')
  const height = envelope.block.blockHeight ?? (await heightOf(txid, chain))
  if (height === undefined)
    return notProven(
      'unknown-block-hash',
      'name the block with blockHeight, so that its header can be found here',
    )
  const expected = await chain.rootAt(height)
  if (expected === undefined)
    return notProven(
      'merkle-root-unavailable',
      `this node does not have block ${height}; send it again once it has`,
    )
  const bump = bumpOf(envelope.proof, height)
  if (!bump.ok) return notProven('invalid-merkle-path', bump.fault.detail)
  if (bump.value.root !== expected)
    return notProven(
      'invalid-merkle-path',
      `the path leads to ${bump.value.root}, and block ${height} has the root ${expected}; ask for the proof again`,
    )
  return bump.value
}

async function heightOf(txid: string, chain: Dlm1RouteDeps['chain']): Promise<number | undefined> {
  const status = (await chain.statusOf([txid])).get(txid)
  return status?.kind === 'mined' ? status.proof.height : undefined
}

function notProven(reason: string, hint: string): Dlm1Error {
  return { error: 'spv-verification-failed', hint, details: { reason } }
}

/** A transaction without its ancestors can be judged only with its block proof; without one, by what is stored of it. */
async function askTopics(
  transaction: Transaction,
  proof: Bump | undefined,
  asked: readonly string[],
  { overlay, declarations }: Dlm1RouteDeps,
): Promise<Record<string, readonly number[]>> {
  const topics = [...new Set(asked)].filter(topic => Object.hasOwn(overlay.hosted.managers, topic))
  if (topics.length === 0) return {}
  const beef = proof && readBeef(writeBeef([{ ...transaction, proof }]))
  // What the topics make of it, the rows say; a refusal leaves none.
  if (beef?.ok) await overlay.submit({ beef: beef.value, topics })
  return declarations.admittedBy(transaction.txid, topics)
}

async function giveEnvelope(
  txid: string | undefined,
  response: Response,
  { declarations }: Dlm1RouteDeps,
): Promise<void> {
  const envelope = /^[0-9a-f]{64}$/.test(txid ?? '') ? await declarations.envelopeOf(txid ?? '') : 'unknown'
  if (envelope === 'unknown')
    return sendDlm1Error(response, {
      error: 'declaration-not-found',
      hint: 'no transaction with this txid was declared here; POST /submit takes it as JSON',
    })
  if (envelope === 'pending')
    return sendDlm1Error(response, {
      error: 'declaration-pending',
      hint: 'no block has it as far as this node knows; ask again after the next block',
    })
  response.json(envelope)
}

function issuesOf({ issues }: z.ZodError) {
  return issues.map(({ path, message }) => ({
    pointer: path.map(part => `/${String(part)}`).join(''),
    message,
  }))
}
