import { type Request, type Response, Router } from 'express'
import type { LineageStore } from '../../adapters/reading/lineage-store.ts'
import type { Reader } from '../../core/registry/may-read.ts'
import { type BundleAnswer, type BundlePolicy, makeBundle } from '../../serve/lineage/bundle.ts'
import type { LineageBounds } from '../../serve/lineage/collect-lineage.ts'
import type { Headers } from '../../serve/lineage/known-version.ts'
import { judgeReadiness } from '../../serve/lineage/readiness.ts'
import { onOneChain } from '../../serve/lineage/steady-headers.ts'
import { limitAtOnce } from '../limit-at-once.ts'
import { overlayFailures } from '../overlay-failures.ts'
import { type LineageError, sendLineageError, tellLineageBusy } from './lineage-errors.ts'
import type { Reading } from './reading.ts'

export type LineageRouteDeps = {
  readonly store: LineageStore
  readonly headers: Headers
  readonly reading: Reading
  readonly policy: BundlePolicy
  /** BUNDLE_MAX_DEPTH. */
  readonly depthMax: number
  /** READY_VERSIONS_MAX. */
  readonly versionsMax: number
  readonly bounds?: LineageBounds
  addressOf?(request: Request): string | undefined
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

export const bundleBounds: LineageBounds = { versionsMax: 1024, bytesMax: 16 * 1024 * 1024 }

const AT_ONCE_MAX = 8
const OF_ONE_NETWORK_MAX = 4
/** So long a client may take to read its answer. */
const ANSWER_MS_MAX = 60_000

/** What DLM1 clients ask about a version: its lineage with proofs (D03), and whether to rely on it (D04). */
export function lineageRoutes(deps: LineageRouteDeps): Router {
  const { reading, onFailure, addressOf } = deps
  const places = limitAtOnce(AT_ONCE_MAX, ANSWER_MS_MAX, {
    share: { max: OF_ONE_NETWORK_MAX, ...(addressOf !== undefined && { addressOf }) },
    tellBusy: tellLineageBusy,
  })
  const routes = Router({ caseSensitive: true })
  routes.get(
    '/bundle',
    reading((request, response, reader) =>
      places(response, () => giveBundle(request, response, reader, deps)),
    ),
  )
  routes.get(
    '/ready',
    reading((request, response, reader) =>
      places(response, () => giveVerdict(request, response, reader, deps)),
    ),
  )
  routes.use(overlayFailures(onFailure))
  return routes
}

async function giveBundle(
  { query }: Request,
  response: Response,
  reader: Reader,
  { store, headers, policy, depthMax, bounds = bundleBounds }: LineageRouteDeps,
): Promise<void> {
  const versionId = versionIdIn(query['versionId'])
  if (versionId === undefined) return sendLineageError(response, noVersion)
  const depth = depthIn(query['depth'], depthMax)
  if (depth === undefined)
    return sendLineageError(response, {
      error: 'bad-request',
      hint: `depth is a whole number from 0 to ${depthMax}, which is what it is when left out`,
    })
  const versions = store.versionsFor(reader)
  const answer = await onOneChain(headers, steady =>
    makeBundle(versionId, depth, {
      readVersions: versions.read,
      readCarriers: store.readCarriers,
      readWhole: store.readWhole,
      readSupersessions: store.readSupersessions,
      headers: steady,
      ...{ policy, bounds },
    }),
  )
  uncached(response).set('X-Cache', versions.wasRemembered() ? 'hit' : 'miss')
  if (answer.kind === 'bundle') response.json(answer.bundle)
  else sendLineageError(response, errorOf(answer))
}

async function giveVerdict(
  { query }: Request,
  response: Response,
  reader: Reader,
  { store, headers, policy: { confirmationsMin }, versionsMax }: LineageRouteDeps,
): Promise<void> {
  const versionId = versionIdIn(query['versionId'])
  if (versionId === undefined) return sendLineageError(response, noVersion)
  const { policyId } = query
  if (policyId !== undefined && !(typeof policyId === 'string' && /^[\x21-\x7e]{1,128}$/.test(policyId)))
    return sendLineageError(response, {
      error: 'bad-request',
      hint: 'policyId is one word of at most 128 printable characters; leave it out to ask without a policy',
    })
  const verdict = await judgeReadiness(versionId, policyId, {
    readLineage: store.lineageFor(reader),
    readSupersessions: store.readSupersessions,
    ...{ headers, confirmationsMin, versionsMax },
  })
  uncached(response).json(verdict)
}

/** How deep something is changes with every block. */
function uncached(response: Response): Response {
  if (response.get('Cache-Control') === undefined) response.set('Cache-Control', 'no-store')
  return response
}

const noVersion: LineageError = {
  error: 'bad-request',
  hint: 'name one version with versionId, 64 hex digits in lower case, as a certificate or POST /submit/dlm1 gives it',
}

function versionIdIn(given: unknown): string | undefined {
  return typeof given === 'string' && /^[0-9a-f]{64}$/.test(given) ? given : undefined
}

function depthIn(given: unknown, depthMax: number): number | undefined {
  if (given === undefined) return depthMax
  if (typeof given !== 'string' || !/^\d{1,4}$/.test(given)) return undefined
  const depth = Number(given)
  return depth <= depthMax ? depth : undefined
}

function errorOf(answer: Exclude<BundleAnswer, { kind: 'bundle' }>): LineageError {
  switch (answer.kind) {
    case 'incomplete-lineage':
      return { error: 'incomplete-lineage', hint: answer.hint }
    case 'invalid-envelope': {
      const { versionId, reason } = answer
      return { error: 'invalid-envelope', hint: nextAfter(reason), versionId, reason }
    }
    case 'too-large':
      return {
        error: 'bundle-too-large',
        hint:
          answer.atDepth === 0
            ? 'this version alone is longer than an answer; read its certificate with ls_gitdata_certificates'
            : `ask with depth=${answer.atDepth - 1} or less, and go on from what assay.beyond names`,
      }
  }
}

function nextAfter(reason: string): string {
  return reason === 'insufficient-confs'
    ? 'ask again after the next block'
    : 'the chain may have been reorganised; ask again once a block has it'
}
