import type { SourceInput } from '../../core/registry/read-source.ts'
import type { Queryable } from '../postgres/sql.ts'
import { type ShownSecret, shownSecrets } from './secrets.ts'
import { registeredSource, type SourceRow, sourceRows, sourceRowsFrom } from './source-rows.ts'
import { policyOfRow, type StreamRow, settingsOf, streamRows, streamRowsFrom } from './stream-rows.ts'

export const LIST_MAX = 1000

/** Where a list begins, and whose it is: of one tenant nobody sees what another has. */
export type Page = { readonly after?: string; readonly limit?: number; readonly tenantId?: string }

export type ListedSource = { readonly source: SourceInput; readonly lastActivityMs: number | null }

export async function listSources(db: Queryable, page: Page = {}): Promise<ListedSource[]> {
  const rows = await sourceRowsFrom(db, bounded(page))
  return rows.map(asListed)
}

export async function showSource(
  db: Queryable,
  sourceId: string,
  { tenantId }: Pick<Page, 'tenantId'> = {},
): Promise<(ListedSource & { readonly secrets: readonly ShownSecret[] }) | undefined> {
  const [row] = await sourceRows(db, [sourceId])
  if (row === undefined || isHidden(row, tenantId)) return undefined
  return { ...asListed(row), secrets: await shownSecrets(db, sourceId) }
}

/** `stream` as it can be put again; `policy` is what is in force, also where settings and sources have made it. */
export type ListedStream = Awaited<ReturnType<typeof asListedStream>>

export async function listStreams(db: Queryable, page: Page = {}): Promise<ListedStream[]> {
  const listed: ListedStream[] = []
  for (const row of await streamRowsFrom(db, bounded(page))) listed.push(await asListedStream(db, row))
  return listed
}

export async function showStream(
  db: Queryable,
  streamId: string,
  { tenantId }: Pick<Page, 'tenantId'> = {},
): Promise<ListedStream | undefined> {
  const [row] = await streamRows(db, [streamId])
  return row === undefined || isHidden(row, tenantId) ? undefined : asListedStream(db, row)
}

function bounded({ after = '', limit = LIST_MAX, tenantId }: Page) {
  return { after, limit: Math.min(limit, LIST_MAX), tenantId }
}

function isHidden(row: { readonly tenantId: string | null }, tenantId: string | undefined): boolean {
  return tenantId !== undefined && row.tenantId !== tenantId
}

function asListed(row: SourceRow): ListedSource {
  return { source: registeredSource(row), lastActivityMs: row.lastActivityMs }
}

async function asListedStream(db: Queryable, row: StreamRow) {
  const policy = await policyOfRow(db, row)
  return {
    stream: { ...settingsOf(row), ...(row.defaults === null && { policy }) },
    policy,
    policyNo: row.policyNo,
    policyByDefault: row.defaults !== null,
  }
}
