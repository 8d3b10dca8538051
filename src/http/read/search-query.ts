import * as z from 'zod'
import { isObject, parseJson } from '../../core/canonical-json.ts'
import { eventStatesSaid } from '../../core/jobs/vocabulary.ts'
import { readPath } from '../../core/path.ts'
import { isScalar, valueTerm, wordsOf } from '../../core/search/search-terms.ts'
import type { Criterion, SearchQuestion } from '../../serve/search-question.ts'
import { storedText } from '../stored-text.ts'
import {
  cursorText,
  givenName,
  hash,
  identityKey,
  levelName,
  pageLimit,
  statusName,
  timeMs,
} from './query-members.ts'

export const SEARCH_LIMIT_MAX = 100
/** Values and words that are looked for at once. */
export const CRITERIA_MAX = 8
const FIELDS_CHARS_MAX = 2_048
const TEXT_CHARS_MAX = 256
const NATIVE_ID_CHARS_MAX = 512

/** Each with the reason why it is not what was wanted. */
const fields = z
  .string()
  .max(FIELDS_CHARS_MAX)
  .transform((text, context): Criterion[] => {
    const json = parseJson(text)
    const wrong = (why: string) => {
      context.addIssue(why)
      return z.NEVER
    }
    if (!json.ok || !isObject(json.value)) return wrong('not a JSON object like {"site":"north"}')
    const criteria: Criterion[] = []
    for (const [written, value] of Object.entries(json.value)) {
      const path = readPath(written)
      if (!path.ok) return wrong(path.fault.detail)
      if (!isScalar(value)) return wrong('a value is a text, a number, true, false or null')
      criteria.push({ kind: 'value', path: path.value, term: valueTerm(value) })
    }
    const paths = new Set(criteria.map(each => each.kind === 'value' && each.path))
    if (paths.size < criteria.length) return wrong('one field is there twice, in two spellings')
    return criteria.length === 0 ? wrong('it names no field') : criteria
  })

const text = z
  .string()
  .max(TEXT_CHARS_MAX)
  .transform((written, context): Criterion[] => {
    const words = wordsOf(written)
    if (words.length > 0) return words.map(term => ({ kind: 'words', term }))
    context.addIssue('it holds no word: no letter and no digit')
    return z.NEVER
  })

const nativeId = storedText(NATIVE_ID_CHARS_MAX).min(1)

export const searchQuery = z
  .strictObject({
    eventId: hash.exactOptional(),
    nativeId: nativeId.exactOptional(),
    contentHash: z
      .string()
      .transform(written => written.replace(/^sha256:/, ''))
      .pipe(hash)
      .exactOptional(),
    versionId: hash.exactOptional(),
    publisher: identityKey.exactOptional(),
    sourceId: givenName.exactOptional(),
    stream: givenName.exactOptional(),
    type: givenName.exactOptional(),
    level: levelName.exactOptional(),
    status: statusName.exactOptional(),
    from: timeMs.exactOptional(),
    to: timeMs.exactOptional(),
    fields: fields.exactOptional(),
    text: text.exactOptional(),
    /** The same, as DLM1 clients call it. */
    q: text.exactOptional(),
    limit: pageLimit(SEARCH_LIMIT_MAX),
    cursor: cursorText.exactOptional(),
  })
  .refine(({ q, text }) => q === undefined || text === undefined, {
    path: ['q'],
    message: 'it says the same as text; keep one',
  })
  .transform(({ q, ...asked }) => (q === undefined ? asked : { ...asked, text: q }))
  .superRefine(({ fields = [], text = [], eventId, nativeId, contentHash, versionId }, context) => {
    const criteria = fields.length + text.length
    if (criteria > CRITERIA_MAX)
      context.addIssue({
        code: 'custom',
        path: ['text'],
        message: `more than ${CRITERIA_MAX} values and words in all`,
      })
    const isNamed = [eventId, nativeId, contentHash, versionId].some(each => each !== undefined)
    if (criteria > 0 && isNamed)
      context.addIssue({
        code: 'custom',
        path: [fields.length > 0 ? 'fields' : 'text'],
        message: 'payloads are not searched beside an eventId, nativeId, contentHash or versionId',
      })
  })

export type SearchAsked = z.output<typeof searchQuery>

export function searchQuestionOf(asked: Omit<SearchAsked, 'limit' | 'cursor'>): SearchQuestion {
  const { stream, status, from, to, fields = [], text = [], ...same } = asked
  return {
    ...same,
    criteria: [...fields, ...text],
    ...(stream !== undefined && { streamId: stream }),
    ...(status !== undefined && { states: eventStatesSaid('ingest', status) }),
    ...(from !== undefined && { fromMs: from }),
    ...(to !== undefined && { untilMs: to }),
  }
}
