import { createHmac, randomBytes } from 'node:crypto'
import { accepted, type Outcome } from '../../core/fault.ts'
import { SECRET_PREFIX } from '../../core/registry/webhook-secret.ts'
import { seal, unseal } from '../keys/seal.ts'
import type { Queryable } from '../postgres/sql.ts'
import { type ChangeDeps, type Changing, cannot, changing } from './changing.ts'
import { recordChange } from './record-change.ts'
import { sourceRows } from './source-rows.ts'

/** So long the secrets before a new one go on being taken, unless somebody says otherwise. */
export const OVERLAP_MS_DEFAULT = 24 * 3_600_000
/** Each is tried on a request that none fits. */
export const LIVE_SECRETS_MAX = 8
const SECRET_BYTES = 32

/** What may be shown of a secret. Live: neither revoked nor past its time. */
export type ShownSecret = {
  readonly number: number
  readonly createdMs: number
  readonly untilMs: number | null
  readonly revokedMs: number | null
}

/** A new secret, which nobody can be shown again; those before it are taken for a while. */
export async function rotateSecret(
  deps: ChangeDeps,
  sourceId: string,
  { who, overlapMs = OVERLAP_MS_DEFAULT }: { readonly who: string; readonly overlapMs?: number },
): Promise<Outcome<NewSecret>> {
  return changing(deps, who, change => newSecretIn(change, sourceId, overlapMs))
}

export async function newSecretIn(
  change: Changing,
  sourceId: string,
  overlapMs = OVERLAP_MS_DEFAULT,
): Promise<Outcome<NewSecret>> {
  const key = Uint8Array.from(randomBytes(SECRET_BYTES))
  const added = await addSecretIn(change, sourceId, key, overlapMs)
  if (!added.ok) return added
  return accepted({
    number: added.value.number,
    secret: SECRET_PREFIX + Buffer.from(key).toString('base64'),
  })
}

export type NewSecret = { readonly number: number; readonly secret: string }

/** From now on nothing that is signed with it is taken, and it is nowhere any more. */
export function revokeSecret(
  deps: ChangeDeps,
  sourceId: string,
  number: number,
  who: string,
): Promise<Outcome<{ readonly did: 'revoked' | 'nothing' }>> {
  return changing(deps, who, change => revokeSecretIn(change, sourceId, number))
}

export async function revokeSecretIn(
  { db, by }: Changing,
  sourceId: string,
  number: number,
): Promise<Outcome<{ readonly did: 'revoked' | 'nothing' }>> {
  const secrets = await shownSecrets(db, sourceId)
  const secret = secrets.find(each => each.number === number)
  if (secret === undefined) {
    const there = secrets.map(each => each.number).join(', ')
    return cannot(`source ${sourceId} has no secret ${number}; it has ${there || 'none'}`)
  }
  if (secret.revokedMs !== null) return accepted({ did: 'nothing' })
  await db.query({
    text: `update source_secrets set revoked_ms = $3, sealed = null where source_id = $1 and number = $2`,
    values: [sourceId, number, by.atMs],
  })
  await recordChange(db, { kind: 'secret', subject: sourceId, what: 'revoked', was: { number } }, by)
  return accepted({ did: 'revoked' })
}

/** One that is there already stays as it is: what settings say at each start is one secret. */
export async function addSecretIn(
  change: Changing,
  sourceId: string,
  key: Uint8Array,
  overlapMs = OVERLAP_MS_DEFAULT,
): Promise<Outcome<{ readonly number: number }>> {
  const { db, by, masterKey } = change
  const [source] = await sourceRows(db, [sourceId])
  if (source === undefined) return cannot(`there is no source ${sourceId}; put it first`)
  await dropEnded(db, sourceId, by.atMs)

  const fingerprint = fingerprintOf(masterKey, 'source-secret', sourceId, key)
  const known = await numberOf(db, sourceId, fingerprint)
  if (known?.live === true) {
    if (known.untilMs !== null) await keepOn(change, sourceId, known, overlapMs)
    return accepted({ number: known.number })
  }
  if (known !== undefined)
    return cannot(
      `this is secret ${known.number} of source ${sourceId}, which is over; take another`,
      '/secret',
    )

  const secrets = await shownSecrets(db, sourceId)
  const live = secrets.filter(({ revokedMs }) => revokedMs === null)
  if (live.length >= LIVE_SECRETS_MAX)
    return cannot(`source ${sourceId} has ${live.length} live secrets; revoke one that nobody signs with`)

  await endOthers(change, sourceId, { untilMs: by.atMs + overlapMs })
  const number = 1 + Math.max(0, ...secrets.map(each => each.number))
  const sealed = seal(masterKey, secretName(sourceId, number), key)
  await db.query({
    text: `insert into source_secrets (source_id, number, sealed, fingerprint, created_ms) values ($1, $2, $3, $4, $5)`,
    values: [sourceId, number, Buffer.from(sealed), Buffer.from(fingerprint), by.atMs],
  })
  await recordChange(db, { kind: 'secret', subject: sourceId, what: 'added', became: { number } }, by)
  return accepted({ number })
}

export async function shownSecrets(db: Queryable, sourceId: string): Promise<readonly ShownSecret[]> {
  const { rows } = await db.query<ShownSecret>({
    text: `select number, created_ms as "createdMs", until_ms as "untilMs", revoked_ms as "revokedMs"
      from source_secrets where source_id = $1 order by number desc`,
    values: [sourceId],
  })
  return rows
}

/** Sources that sign with HMAC, are enabled, and have nothing to sign with: whatever they send is refused. */
export async function sourcesWithoutSecret(
  db: Queryable,
  nowMs: number,
  { sourceId, limit = 100 }: { readonly sourceId?: string; readonly limit?: number } = {},
): Promise<string[]> {
  const { rows } = await db.query<{ sourceId: string }>({
    text: `select source_id as "sourceId" from overlay_event_sources as source
      where enabled and configuration ->> 'authentication' = 'hmac' and ($2::text is null or source_id = $2)
        and not exists (select from source_secrets as secret where secret.source_id = source.source_id
          and sealed is not null and (until_ms is null or until_ms > $1))
      order by source_id collate "C" limit $3`,
    values: [nowMs, sourceId ?? null, limit],
  })
  return rows.map(row => row.sourceId)
}

export type OpenedSecret = { readonly key: Uint8Array; readonly untilMs: number | null }
export type SealedSecret = {
  readonly sourceId: string
  readonly number: number
  readonly sealed: Uint8Array
  readonly untilMs: number | null
}

/** The newest first. */
export async function sealedSecrets(db: Queryable, sourceIds: readonly string[]): Promise<SealedSecret[]> {
  const { rows } = await db.query<SealedSecret>({
    name: 'sealed-secrets',
    text: `select source_id as "sourceId", number, sealed, until_ms as "untilMs" from source_secrets
      where source_id = any($1) and sealed is not null order by number desc`,
    values: [sourceIds],
  })
  return rows
}

export function openSecret(masterKey: Uint8Array, secret: SealedSecret): OpenedSecret {
  const { sourceId, number, sealed, untilMs } = secret
  const key = unseal(masterKey, secretName(sourceId, number), sealed)
  if (key !== undefined) return { key, untilMs }
  throw new Error(
    `secret ${number} of source ${sourceId} was sealed with another master key. Set ASSAY_MASTER_KEY_FILE to the file of the node that made it (master.key in its ASSAY_DATA_DIR), or rotate the secret.`,
  )
}

/** Tells whether something secret is the same, to nobody who has not got the master key. */
export function fingerprintOf(
  masterKey: Uint8Array,
  what: string,
  sourceId: string,
  secret: Uint8Array | string,
): Uint8Array {
  // A source's id has no control characters: the fields cannot run into one another.
  return createHmac('sha256', masterKey).update(`${what}\0${sourceId}\0`).update(secret).digest()
}

async function numberOf(db: Queryable, sourceId: string, fingerprint: Uint8Array) {
  const { rows } = await db.query<{ number: number; live: boolean; untilMs: number | null }>({
    text: `select number, sealed is not null as live, until_ms as "untilMs" from source_secrets
      where source_id = $1 and fingerprint = $2`,
    values: [sourceId, Buffer.from(fingerprint)],
  })
  return rows[0]
}

/** What is past its time opens nothing any more, and need not be kept. */
async function dropEnded(db: Queryable, sourceId: string, nowMs: number): Promise<void> {
  await db.query({
    text: `update source_secrets set sealed = null, revoked_ms = until_ms
      where source_id = $1 and sealed is not null and until_ms <= $2`,
    values: [sourceId, nowMs],
  })
}

/** One that was to end and is wanted again takes over like a new one, or its publisher would be locked out on the day. */
async function keepOn(
  change: Changing,
  sourceId: string,
  { number, untilMs }: { readonly number: number; readonly untilMs: number | null },
  overlapMs: number,
): Promise<void> {
  const { db, by } = change
  await endOthers(change, sourceId, { untilMs: by.atMs + overlapMs, except: number })
  await db.query({
    text: 'update source_secrets set until_ms = null where source_id = $1 and number = $2',
    values: [sourceId, number],
  })
  const [was, became] = [
    { number, untilMs },
    { number, untilMs: null },
  ]
  await recordChange(db, { kind: 'secret', subject: sourceId, what: 'changed', was, became }, by)
}

async function endOthers(
  { db, by }: Changing,
  sourceId: string,
  { untilMs, except = 0 }: { readonly untilMs: number; readonly except?: number },
): Promise<void> {
  const { rows } = await db.query<{ number: number }>({
    text: `update source_secrets set until_ms = $2
      where source_id = $1 and number <> $3 and sealed is not null and (until_ms is null or until_ms > $2)
      returning number`,
    values: [sourceId, untilMs, except],
  })
  for (const { number } of rows) {
    const change = { kind: 'secret', subject: sourceId, what: 'ends', became: { number, untilMs } } as const
    await recordChange(db, change, by)
  }
}

function secretName(sourceId: string, number: number): string {
  return `source-secret/${sourceId}/${number}`
}
