import path from 'node:path'
import type { Pool } from 'pg'
import { inUse, type KeyHistory, type KeyringDeps, openKey } from '../adapters/keys/keyring.ts'
import { keepMasterKey } from '../adapters/keys/master-key.ts'
import { issuerOf } from '../adapters/keys/new-key.ts'
import type { Issuer } from '../contract/tokens.ts'
import { knownHex } from '../core/bytes.ts'
import type { Settings } from '../runtime/settings.ts'

/** What the nodes of this database sign with; of `node` the last is in use. */
export type NodeKeys = {
  readonly node: KeyHistory
  readonly log: Issuer
  readonly fuel: Issuer
  /** What the nodes of this database seal with. */
  readonly masterKey: Uint8Array
}

export async function openNodeKeys(settings: Settings, pool: Pool): Promise<NodeKeys> {
  const deps = await keyringOf(settings, pool)
  return {
    node: await openKey('node', deps),
    log: inUse(await openKey('log', deps)),
    fuel: await openFuelKey(settings, deps),
    masterKey: deps.masterKey,
  }
}

/** On a public network it is the operator's own; on the local one there is nothing to lose. */
async function openFuelKey({ WALLET_KEY }: Settings, deps: KeyringDeps): Promise<Issuer> {
  return WALLET_KEY === undefined ? inUse(await openKey('fuel', deps)) : issuerOf(WALLET_KEY.privateKey)
}

export async function keyringOf(settings: Settings, pool: Pool): Promise<KeyringDeps> {
  const file = masterKeyFile(settings)
  const masterKey = file === undefined ? knownHex(settings.ASSAY_MASTER_KEY ?? '') : await keepMasterKey(file)
  return { pool, masterKey, now: Date.now }
}

/** Undefined where the settings have the key itself. */
export function masterKeyFile({ ASSAY_MASTER_KEY, ASSAY_DATA_DIR }: Settings): string | undefined {
  return ASSAY_MASTER_KEY === undefined ? path.join(ASSAY_DATA_DIR, 'master.key') : undefined
}
