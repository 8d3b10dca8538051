import type { Json } from '../../core/canonical-json.ts'
import { accepted, type Outcome } from '../../core/fault.ts'
import { type PolicyOwner, readOwnPolicy, STREAM_WEIGHT_MAX } from '../../core/publisher/own-policy.ts'
import type { Queryable } from '../postgres/sql.ts'
import { asWriter } from '../registry/put-stream.ts'
import { registeredSource, type SourceRow, writerRows } from '../registry/source-rows.ts'
import { type StreamRow, settingsOf, streamRows } from '../registry/stream-rows.ts'
import { changeOwnPolicy } from './own-streams.ts'
import { ownersPart } from './owners-part.ts'
import { findPolicyVersion } from './policy-versions.ts'
import type { Edit, PublisherDeps } from './publisher-change.ts'

type Seen = { readonly streamId: string; readonly version: string }

/** Null puts the policy by default in force again. */
export function putOwnPolicy(
  deps: PublisherDeps,
  identityKey: string,
  { policy, ...seen }: Seen & { readonly policy: Json },
): Promise<Outcome<Edit<string>>> {
  return changeOwnPolicy(deps, identityKey, {
    ...seen,
    policy: async ({ db }, row) =>
      policy === null ? accepted(undefined) : readOwnPolicy(policy, await ownerOf(db, row, identityKey)),
  })
}

/** What its owner said under that number comes into force again, under another one, with what its feeds say by now. */
export function rollBackPolicy(
  deps: PublisherDeps,
  identityKey: string,
  { to, ...seen }: Seen & { readonly to: number },
): Promise<Outcome<Edit<string>>> {
  return changeOwnPolicy(deps, identityKey, {
    ...seen,
    async policy({ db }, { streamId }) {
      const version = await findPolicyVersion(db, streamId, to)
      return version === undefined ? 'not-found' : accepted(await ownersPart(db, version))
    },
  })
}

/** What a policy of the publisher's would be read with, and the feeds of its own that it would be for. */
export async function findPolicyOwner(
  db: Queryable,
  streamId: string,
  identityKey: string,
): Promise<(PolicyOwner & { readonly feeds: readonly ReturnType<typeof registeredSource>[] }) | undefined> {
  const [row] = await streamRows(db, [streamId])
  if (row?.ownerKey !== identityKey) return undefined
  const rows = await writerRows(db, streamId)
  return { ...ownerFrom(row, rows, identityKey), feeds: own(rows, identityKey).map(registeredSource) }
}

async function ownerOf(db: Queryable, row: StreamRow, identityKey: string): Promise<PolicyOwner> {
  return ownerFrom(row, await writerRows(db, row.streamId), identityKey)
}

function ownerFrom(row: StreamRow, writers: readonly SourceRow[], ownerKey: string): PolicyOwner {
  return {
    settings: settingsOf(row),
    writers: writers.map(asWriter),
    feedIds: own(writers, ownerKey).map(({ sourceId }) => sourceId),
    ownerKey,
    weightMax: STREAM_WEIGHT_MAX,
  }
}

function own(writers: readonly SourceRow[], identityKey: string): readonly SourceRow[] {
  return writers.filter(row => row.identityKey === identityKey)
}
