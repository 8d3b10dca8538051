import type { Pool } from 'pg'
import {
  type KeySuccession,
  readSuccession,
  type SuccessionKind,
  signSuccession,
} from '../../contract/key-succession.ts'
import type { Issuer } from '../../contract/tokens.ts'
import { toHex } from '../../core/bytes.ts'
import { orThrow } from '../../core/fault.ts'
import { inTransaction, type Queryable } from '../postgres/sql.ts'
import { issuerOf, newKey } from './new-key.ts'
import { seal, unseal } from './seal.ts'

/**
 * `node`: under which the nodes of a database connect and advertise. `log`: which signs their jobs; it is never
 * rotated, as a new key is a new log. `fuel`: which owns what pays for transactions.
 */
export const keyNames = ['node', 'log', 'fuel'] as const
export type KeyName = (typeof keyNames)[number]

/** In the order in which they came; the last is in use. */
export type KeyHistory = readonly [HeldKey, ...HeldKey[]]
export type HeldKey = Issuer & { readonly createdMs: number; readonly succession?: KeySuccession }

export type KeyringDeps = {
  readonly pool: Pool
  /** 32 bytes. */
  readonly masterKey: Uint8Array
  now(): number
}

/** Made at the first asking; whoever asks at the same time, in whichever process, gets the same. */
export async function openKey(name: KeyName, { pool, masterKey, now }: KeyringDeps): Promise<KeyHistory> {
  const held = await readKeys(name, masterKey, pool)
  if (held !== undefined) return held
  await addKey(name, 0, newKey(), undefined, { masterKey, now }, pool)
  return (await readKeys(name, masterKey, pool)) ?? neverGone(name)
}

/** Undefined where none was ever made; throws where it cannot be opened. */
export function readKey(name: KeyName, { pool, masterKey }: KeyringDeps): Promise<KeyHistory | undefined> {
  return readKeys(name, masterKey, pool)
}

/** The key in use hands over to a new one; nodes that run take it up when they start again. */
export async function rotateKey(
  name: KeyName & SuccessionKind,
  { pool, masterKey, now }: KeyringDeps,
): Promise<KeyHistory> {
  await openKey(name, { pool, masterKey, now })
  return inTransaction(pool, async db => {
    // One rotation at a time: two heirs of one key would be two truths.
    await db.query('lock table node_keys in share row exclusive mode')
    const held = (await readKeys(name, masterKey, db)) ?? neverGone(name)
    const heir = newKey()
    const succession = signSuccession(name, inUse(held), heir, now())
    await addKey(name, held.length, heir, succession, { masterKey, now }, db)
    return (await readKeys(name, masterKey, db)) ?? neverGone(name)
  })
}

export function inUse([first, ...more]: KeyHistory): HeldKey {
  return more.at(-1) ?? first
}

async function addKey(
  name: KeyName,
  generation: number,
  key: Issuer,
  succession: KeySuccession | undefined,
  { masterKey, now }: Pick<KeyringDeps, 'masterKey' | 'now'>,
  db: Queryable,
): Promise<void> {
  await db.query({
    text: `insert into node_keys (name, generation, identity_key, sealed, succession, created_ms)
      values ($1, $2, decode($3, 'hex'), $4, $5, $6) on conflict do nothing`,
    values: [
      name,
      generation,
      key.identityKey,
      Buffer.from(seal(masterKey, sealName(name, generation), key.privateKey)),
      succession === undefined ? null : JSON.stringify(succession),
      now(),
    ],
  })
}

async function readKeys(
  name: KeyName,
  masterKey: Uint8Array,
  db: Queryable,
): Promise<KeyHistory | undefined> {
  const { rows } = await db.query<Row>({
    text: `select generation, identity_key as "identityKey", sealed, succession, created_ms as "createdMs"
      from node_keys where name = $1 order by generation`,
    values: [name],
  })
  const [first, ...more] = rows.map(row => openRow(name, row, masterKey))
  return first && [first, ...more]
}

type Row = {
  readonly generation: number
  readonly identityKey: Buffer
  readonly sealed: Buffer
  readonly succession: unknown
  readonly createdMs: number
}

function openRow(name: KeyName, row: Row, masterKey: Uint8Array): HeldKey {
  const { generation, identityKey, sealed, succession, createdMs } = row
  const privateKey = unseal(masterKey, sealName(name, generation), sealed)
  if (privateKey === undefined)
    throw new Error(
      `the ${name} key in this database was sealed with another master key. Set ASSAY_MASTER_KEY_FILE to the file of the node that made it (master.key in its ASSAY_DATA_DIR), or restore that file.`,
    )
  const key = issuerOf(privateKey)
  if (key.identityKey !== toHex(identityKey))
    throw new Error(
      `the ${name} key of generation ${generation} is not the one that its row names: restore the table node_keys`,
    )
  return {
    ...key,
    createdMs,
    ...(succession !== null && { succession: orThrow(readSuccession(succession)) }),
  }
}

function sealName(name: KeyName, generation: number): string {
  return `${name}/${generation}`
}

function neverGone(name: KeyName): never {
  throw new Error(`the ${name} key was stored and is not there: something deletes from the table node_keys`)
}
