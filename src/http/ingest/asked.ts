import type { IncomingHttpHeaders } from 'node:http'
import { isLevel, type Level, levels } from '../../core/level.ts'
import type { Problem } from '../problem.ts'

/** What a request says beside its body: in its query, and in its headers. */
export type Asked = {
  readonly sourceId?: string
  readonly streamId?: string
  readonly level?: Level
  readonly backfill?: boolean
  readonly idempotencyKey?: string
}

const ID_CHARS_MAX = 256

/** `target`: path and query, as they stand on the request line. */
export function readAsked(target: string, headers: IncomingHttpHeaders): Asked | Problem {
  const key = headers['idempotency-key']
  if (key !== undefined && !(typeof key === 'string' && /^[!-~]{1,256}$/.test(key)))
    return bad('Idempotency-Key is not 1 to 256 printable characters without spaces, sent once')
  const fromHeaders = key === undefined ? {} : { idempotencyKey: key }
  const queryAt = target.indexOf('?')
  return queryAt < 0 ? fromHeaders : readQuery(new URLSearchParams(target.slice(queryAt)), fromHeaders)
}

function readQuery(query: URLSearchParams, fromHeaders: Asked): Asked | Problem {
  const twice = [...query.keys()].find((name, i, all) => all.indexOf(name) !== i)
  if (twice !== undefined) return bad(`the query says "${twice.slice(0, 64)}" more than once`)
  const unknown = [...query.keys()].find(name => !names.has(name))
  if (unknown !== undefined)
    return bad(`the query says "${unknown.slice(0, 64)}", and only ${[...names].join(', ')} are known`)
  const [sourceId, streamId] = [query.get('sourceId'), query.get('streamId')]
  for (const [name, id] of [
    ['sourceId', sourceId],
    ['streamId', streamId],
  ] as const)
    if (id !== null && (id.length === 0 || id.length > ID_CHARS_MAX))
      return bad(`${name} in the query is not 1 to ${ID_CHARS_MAX} characters`)
  const [level, backfill] = [query.get('level'), query.get('backfill')]
  if (level !== null && !isLevel(level)) return bad(`level in the query is none of ${levels.join(', ')}`)
  if (backfill !== null && backfill !== 'true' && backfill !== 'false')
    return bad('backfill in the query is neither true nor false')
  return {
    ...fromHeaders,
    ...(sourceId !== null && { sourceId }),
    ...(streamId !== null && { streamId }),
    ...(level !== null && { level }),
    ...(backfill !== null && { backfill: backfill === 'true' }),
  }
}

const names = new Set(['sourceId', 'streamId', 'level', 'backfill'])

function bad(detail: string): Problem {
  return { code: 'bad-request', detail }
}
