import path from 'node:path'
import type { Pool } from 'pg'
import { type KeyHistory, type KeyringDeps, openKey } from '../adapters/keys/keyring.ts'
import { keepMasterKey } from '../adapters/keys/master-key.ts'
import { knownHex } from '../core/bytes.ts'
import type { Settings } from '../runtime/settings.ts'

/** What the nodes of this database sign with; the last of each is in use. */
export type NodeKeys = { readonly node: KeyHistory; readonly log: KeyHistory; readonly fuel: KeyHistory }

export async function openNodeKeys(settings: Settings, pool: Pool): Promise<NodeKeys> {
  const deps = await keyringOf(settings, pool)
  return {
    node: await openKey('node', deps),
    log: await openKey('log', deps),
    fuel: await openKey('fuel', deps),
  }
}

export async function keyringOf(settings: Settings, pool: Pool): Promise<KeyringDeps> {
  const { ASSAY_MASTER_KEY: given, ASSAY_DATA_DIR } = settings
  const masterKey =
    given === undefined ? await keepMasterKey(path.join(ASSAY_DATA_DIR, 'master.key')) : knownHex(given)
  return { pool, masterKey, now: Date.now }
}
