import type { Database } from '../adapters/postgres/database.ts'
import type { ChangeDeps } from '../adapters/registry/changing.ts'
import { followDefaultPolicies, followGivenSources, provide } from '../adapters/registry/follow-settings.ts'
import { openActivityNotes } from '../adapters/registry/note-activity.ts'
import { openRegistry } from '../adapters/registry/open-registry.ts'
import type { Registry } from '../adapters/registry/registry.ts'
import { sourcesWithoutSecret } from '../adapters/registry/secrets.ts'
import { orThrow } from '../core/fault.ts'
import { readSource } from '../core/registry/read-source.ts'
import { levelByDefault } from '../runtime/consensus-settings.ts'
import type { Log } from '../runtime/log.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'
import { keyringOf } from './node-keys.ts'

/** Who may send, and into which streams. */
export type NodeRegistry = {
  readonly registry: Registry
  /** What putSource, putStream, rotateSecret and revokeSecret are called with. */
  readonly changes: ChangeDeps
  /** These have sent something. */
  noteActivity(sourceIds: Iterable<string>): void
  /** Sources whose requests are all refused, because they sign with a secret and have none. */
  sourcesWithoutSecret(): Promise<string[]>
}

export async function openNodeRegistry(
  settings: Settings,
  { database, log, stops }: { readonly database: Database; readonly log: Log; readonly stops: Stops },
): Promise<NodeRegistry> {
  const changes = await registryChangesOf(settings, database)
  await followDefaultPolicies(changes)
  await followGivenSources(changes, settings.INGEST_SOURCES_JSON ?? [])
  if (settings.ASSAY_NETWORK === 'local') await provide(changes, ofLocalNetwork)

  const { pool, masterKey, now } = changes
  const registry = openRegistry({ database, masterKey, log, now })
  stops.add('registry', registry.stop)
  const activity = openActivityNotes({ pool, log, now })
  stops.add('activity of sources', activity.stop)
  return {
    registry,
    changes,
    noteActivity: activity.note,
    sourcesWithoutSecret: () => sourcesWithoutSecret(pool, now()),
  }
}

export async function registryChangesOf(
  settings: Settings,
  { pool }: Pick<Database, 'pool'>,
): Promise<ChangeDeps> {
  const { NORMALIZE_POLICY_JSON: normalize, FUSION_POLICY_JSON: fusion } = settings
  const operators = settings.EVENT_OPERATORS
  const keyring = await keyringOf(settings, pool)
  return { ...keyring, defaults: { normalize, fusion }, levelByDefault: levelByDefault(settings), operators }
}

/** To begin with at once. Where there is something to lose, nobody may send without being registered. */
const ofLocalNetwork = [
  { sourceId: 'src_demo', name: 'demonstration' },
  { sourceId: 'default', name: 'anonymous/default' },
].map(source => orThrow(readSource(source)))
