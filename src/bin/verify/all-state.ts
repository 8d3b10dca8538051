import { readFile, rename, writeFile } from 'node:fs/promises'
import * as z from 'zod'
import { type AuditState, readAuditState } from '../../contract/audit/audit-state.ts'
import { readCursor } from '../../contract/audit/sequence.ts'
import type { Trust } from '../../contract/verify.ts'
import { canonicalJson, parseJson } from '../../core/canonical-json.ts'
import { FaultError, orThrow, refused } from '../../core/fault.ts'
import { sha256Hex } from '../../core/sha256.node.ts'
import { errorCode } from '../../runtime/error-code.ts'
import type { Place, PlaceInFile, Whence } from './all-records.ts'

/** How far a look at a whole log is, and what it has found by then. */
export type Kept = {
  /** Where the page at work begins. */
  readonly place: Place
  /** Of a file: behind all that was looked at. */
  readonly reached: PlaceInFile | null
  /** Packets of it that were looked at. */
  readonly ahead: number
  readonly audit: AuditState
}

const STATE_BYTES_MAX = 64 * 1024 * 1024

const placeInFile = z.strictObject({ at: z.int().min(0), chain: z.string() })

const shape = z.strictObject({
  v: z.literal(1),
  /** What was looked at, and by which lists: with others it would be another look. */
  of: z.string(),
  cursor: z.unknown(),
  ahead: z.int().min(0),
  file: placeInFile.nullable(),
  reached: placeInFile.nullable(),
  audit: z.unknown(),
})

/** Undefined where there is no such file yet. */
export async function readKept(path: string, whence: Whence, trust: Trust): Promise<Kept | undefined> {
  const text = await textOf(path)
  if (text === undefined) return undefined
  const read = shape.safeParse(orThrow(parseJson(text, STATE_BYTES_MAX)))
  if (!read.success)
    throw new FaultError(unfit(`${path} is no state of assay verify --all; name another file`).fault)
  const { of, cursor, file, reached, ahead, audit } = read.data
  if (of !== nameOf(whence, trust))
    throw new FaultError(
      unfit(`${path} is of a look at something else, or by other lists; name another file, or remove it`)
        .fault,
    )
  return {
    place: { cursor: orThrow(readCursor(cursor)), file },
    reached,
    ahead,
    audit: orThrow(readAuditState(audit)),
  }
}

/** Under its name it is whole at any time. */
export async function keep(
  path: string,
  { place, reached, ahead, audit }: Kept,
  whence: Whence,
  trust: Trust,
): Promise<void> {
  const { cursor, file } = place
  const said = { v: 1, of: nameOf(whence, trust), cursor, file, reached, ahead, audit }
  await writeFile(`${path}.new`, JSON.stringify(said), { mode: 0o600 })
  await rename(`${path}.new`, path)
}

function nameOf(whence: Whence, { logs, operators, headers, allowLocal = false }: Trust): string {
  const listed = (keys: ReadonlySet<string> | undefined) => (keys === undefined ? null : [...keys].sort())
  const said = {
    from: 'file' in whence ? null : { node: whence.node, streamId: whence.streamId },
    logs: listed(logs),
    operators: listed(operators),
    headers: headers === undefined ? null : [headers.network, headers.firstHeight, headers.tipHeight],
    allowLocal,
  }
  return sha256Hex(canonicalJson(said))
}

function unfit(detail: string) {
  return refused('export-unreadable', detail)
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}
