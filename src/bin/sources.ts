import type { ChangeDeps } from '../adapters/registry/changing.ts'
import { listSources, showSource } from '../adapters/registry/list-registry.ts'
import { putSource } from '../adapters/registry/put-source.ts'
import {
  OVERLAP_MS_DEFAULT,
  revokeSecret,
  rotateSecret,
  type ShownSecret,
  sourcesWithoutSecret,
} from '../adapters/registry/secrets.ts'
import { readSource } from '../core/registry/read-source.ts'
import {
  type Answer,
  type Asked,
  doneInWords,
  onRegistry,
  orMissing,
  orSay,
  readDocument,
  who,
} from './on-registry.ts'

const HOUR_MS = 3_600_000

const usage = `assay sources list [--tenant ID] [--json]      who may send, and what they may write to
assay sources show ID [--json]                 one of them, with the numbers of its secrets
assay sources put FILE|- [--json]              registers a source, or makes it what the file says
assay sources rotate-secret ID [--overlap-hours N] [--json]   a new secret; those before it are taken for N hours, by default ${OVERLAP_MS_DEFAULT / HOUR_MS}
assay sources revoke-secret ID NUMBER [--json]   takes one secret out at once

It works on the database of the nodes, and beside them; docs/sources.md has the members of a source.`

export function sources(args: readonly string[]): Promise<number> {
  return onRegistry('sources', usage, args, prepare)
}

function prepare({ what, args, tenantId, overlapHours }: Asked) {
  const [first, second, ...more] = args
  if (more.length > 0) return undefined
  if (what === 'list' && first === undefined)
    return (deps: ChangeDeps) => list(deps, tenantId === undefined ? {} : { tenantId })
  if (first === undefined) return undefined
  if (what === 'revoke-secret' && second !== undefined && /^[1-9]\d{0,8}$/.test(second))
    return (deps: ChangeDeps) => revoke(deps, first, Number(second))
  if (second !== undefined) return undefined
  if (what === 'show') return (deps: ChangeDeps) => show(deps, first)
  if (what === 'put') return (deps: ChangeDeps) => put(deps, first)
  if (what === 'rotate-secret') return (deps: ChangeDeps) => rotate(deps, first, overlapHours)
  return undefined
}

async function list({ pool }: ChangeDeps, page: { readonly tenantId?: string }): Promise<Answer> {
  const listed = await listSources(pool, page)
  const lines = listed.map(({ source }) => {
    const off = source.enabled ? '' : '  (not enabled)'
    return `${source.sourceId}  ${source.type}, ${source.authentication}, into ${source.streams.join(', ')}${off}`
  })
  return { words: lines.join('\n') || 'there are none', json: listed }
}

async function show({ pool, now }: ChangeDeps, sourceId: string): Promise<Answer> {
  const shown = orMissing(await showSource(pool, sourceId), `source ${sourceId}`)
  const secrets = shown.secrets.map(secret => `secret ${secret.number}: ${stateOf(secret, now())}`)
  return { words: [JSON.stringify(shown.source, undefined, 2), ...secrets].join('\n'), json: shown }
}

function stateOf({ createdMs, untilMs, revokedMs }: ShownSecret, nowMs: number): string {
  const since = `since ${new Date(createdMs).toISOString()}`
  if (revokedMs !== null || (untilMs !== null && untilMs <= nowMs)) return 'over'
  return untilMs === null ? since : `${since}, until ${new Date(untilMs).toISOString()}`
}

/** A source that signs with a secret gets its first one. */
async function put(deps: ChangeDeps, file: string): Promise<Answer> {
  const source = await readDocument(file, readSource)
  const { did, value } = orSay(await putSource(deps, source, who), file)
  const { sourceId, authentication, enabled } = value
  const done = `${doneInWords(did)} source ${sourceId}`
  const lacks =
    authentication === 'hmac' &&
    enabled &&
    (await sourcesWithoutSecret(deps.pool, deps.now(), { sourceId })).length > 0
  if (!lacks) return { words: done, json: { did, source: value } }
  const made = orSay(await rotateSecret(deps, sourceId, { who }))
  return { words: `${done}\n${onceShown(made)}`, json: { did, source: value, ...made } }
}

async function rotate(deps: ChangeDeps, sourceId: string, overlapHours?: number): Promise<Answer> {
  const overlapMs = overlapHours === undefined ? OVERLAP_MS_DEFAULT : overlapHours * HOUR_MS
  const made = orSay(await rotateSecret(deps, sourceId, { who, overlapMs }))
  return { words: onceShown(made), json: made }
}

async function revoke(deps: ChangeDeps, sourceId: string, number: number): Promise<Answer> {
  const { did } = orSay(await revokeSecret(deps, sourceId, number, who))
  const words = did === 'revoked' ? `revoked secret ${number} of ${sourceId}` : 'it was revoked before'
  return { words, json: { did, number } }
}

function onceShown({ number, secret }: { readonly number: number; readonly secret: string }): string {
  return `secret ${number}, which is shown this once: ${secret}`
}
