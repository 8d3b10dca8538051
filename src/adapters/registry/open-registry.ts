import { type Outcome, orThrow, refused } from '../../core/fault.ts'
import type { PolicySet } from '../../core/policy/policy-set.ts'
import type { Source } from '../../core/registry/source.ts'
import type { Stream } from '../../core/registry/stream.ts'
import type { Log } from '../../runtime/log.ts'
import type { Database } from '../postgres/database.ts'
import { hexOf, type Queryable } from '../postgres/sql.ts'
import { FreshValues, type Stored } from './fresh-values.ts'
import { hearChanges } from './hear-changes.ts'
import type { ChangeKind } from './record-change.ts'
import type { Registry } from './registry.ts'
import { openRegistryEpoch } from './registry-epoch.ts'
import { type OpenedSecret, openSecret, sealedSecrets } from './secrets.ts'
import { sourceOf, sourceRows } from './source-rows.ts'
import { policyTexts, readPolicyText, streamOf, streamRows } from './stream-rows.ts'

export type RegistryDeps = {
  readonly database: Pick<Database, 'pool' | 'session'>
  /** 32 bytes. */
  readonly masterKey: Uint8Array
  readonly log: Log
  now(): number
  readonly ageMsMax?: number
  readonly keysMax?: number
}

/** Of sources, of streams, of secrets each; unknown ones count, as senders make them up. */
export const REGISTRY_KEYS_MAX = 10_000
/** In force at one time; each may be large. */
export const POLICIES_HELD_MAX = 1000

export function openRegistry(deps: RegistryDeps): Registry {
  const { database, masterKey, log, now } = deps
  const { pool } = database
  const kept = {
    // One for all of them: it is asked for once.
    epoch: openRegistryEpoch(pool, deps.ageMsMax),
    keysMax: deps.keysMax ?? REGISTRY_KEYS_MAX,
  }
  const policies = new Map<string, Outcome<PolicySet>>()
  const source = new FreshValues<Source>({
    ...kept,
    read: ids => readSources(pool, ids.filter(isStorable)),
  })
  const stream = new FreshValues<Stream>({
    ...kept,
    read: ids => readStreams(pool, ids.filter(isStorable), policies, masterKey),
  })
  const secret = new FreshValues<readonly OpenedSecret[]>({
    ...kept,
    read: ids => readSecrets(pool, ids.filter(isStorable), masterKey),
  })
  const kinds: Readonly<Record<ChangeKind, FreshValues<unknown>>> = { source, stream, secret }
  const forget = () => {
    for (const values of Object.values(kinds)) values.forgetAll()
  }
  const hearing = hearChanges({
    session: database.session,
    log,
    onChange: (kind, subject) => kinds[kind].forget(subject),
    onGap: forget,
  })
  return {
    source: sourceId => source.get(sourceId),
    stream: streamId => stream.get(streamId),
    async secrets(sourceId) {
      const opened = (await secret.get(sourceId)) ?? []
      return opened.filter(({ untilMs }) => untilMs === null || untilMs > now()).map(({ key }) => key)
    },
    forget,
    stop: hearing.stop,
  }
}

/** The one character that PostgreSQL has none of: asked for such a name, it would fail all that are asked with it. */
function isStorable(id: string): boolean {
  return !id.includes('\0')
}

async function readSources(db: Queryable, ids: readonly string[]): Promise<Map<string, Stored<Source>>> {
  const rows = await sourceRows(db, ids)
  return new Map(
    rows.map(row => [row.sourceId, { version: row.version, open: () => sourceOf(row) }] as const),
  )
}

async function readStreams(
  db: Queryable,
  ids: readonly string[],
  policies: Map<string, Outcome<PolicySet>>,
  masterKey: Uint8Array,
): Promise<Map<string, Stored<Stream>>> {
  const rows = await streamRows(db, ids)
  const digests = rows.map(row => hexOf(row.policyDigest))
  const sets = await policySets(db, new Set(digests), policies)
  return new Map(
    rows.map(row => {
      const set = sets.get(hexOf(row.policyDigest)) ?? missing
      return [
        row.streamId,
        { version: row.version, open: () => streamOf(row, orThrow(set), masterKey) },
      ] as const
    }),
  )
}

/** A set is read once, and is the same object from then on: what is compiled of it is kept with it. */
async function policySets(
  db: Queryable,
  digests: ReadonlySet<string>,
  held: Map<string, Outcome<PolicySet>>,
): Promise<ReadonlyMap<string, Outcome<PolicySet>>> {
  const found = new Map<string, Outcome<PolicySet>>()
  for (const digest of digests) {
    const set = held.get(digest)
    if (set !== undefined) found.set(digest, set)
  }
  const unread = [...digests].filter(digest => !found.has(digest))
  if (unread.length === 0) return found
  for (const [digest, text] of await policyTexts(db, unread)) {
    const set = readPolicyText(text)
    if (held.size >= POLICIES_HELD_MAX) held.clear()
    held.set(digest, set)
    found.set(digest, set)
  }
  return found
}

const missing: Outcome<never> = refused(
  'policy-invalid',
  'the policy set in force is not in policy_sets: restore that table',
)

async function readSecrets(
  db: Queryable,
  ids: readonly string[],
  masterKey: Uint8Array,
): Promise<Map<string, Stored<readonly OpenedSecret[]>>> {
  const secrets = new Map<string, Awaited<ReturnType<typeof sealedSecrets>>>()
  for (const each of await sealedSecrets(db, ids)) {
    const those = secrets.get(each.sourceId)
    if (those === undefined) secrets.set(each.sourceId, [each])
    else those.push(each)
  }
  return new Map(
    [...secrets].map(([sourceId, those]) => {
      const version = those.map(({ number, untilMs }) => `${number}:${untilMs}`).join()
      return [sourceId, { version, open: () => those.map(each => openSecret(masterKey, each)) }] as const
    }),
  )
}
