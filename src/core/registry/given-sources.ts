import { canonicalJson, isObject, type Json, parseJson, pointerToken } from '../canonical-json.ts'
import { accepted, type Outcome, refused, refusedInside } from '../fault.ts'
import { readSource, type SourceInput } from './read-source.ts'
import { readWebhookSecret } from './webhook-secret.ts'

/** A source as INGEST_SOURCES_JSON gives it. */
export type GivenSource = {
  readonly source: SourceInput
  /** What it signs its requests with. */
  readonly secret?: Uint8Array
  /** All that was given, in one spelling; it holds the secret. */
  readonly canonical: string
}

/** `[{"id", "secret"?, …}]`, every other member as of a source. No complaint repeats what was given. */
export function readGivenSources(text: string): Outcome<readonly GivenSource[]> {
  const json = parseJson(text)
  if (!json.ok) return json
  if (!Array.isArray(json.value))
    return refused('registration-invalid', 'a list of sources is wanted, like [{"id":"feed1","secret":"…"}]')
  const given: GivenSource[] = []
  for (const [index, item] of json.value.entries()) {
    const read = readGiven(item)
    if (!read.ok) return refusedInside(read.fault, pointerToken(index))
    if (given.some(({ source }) => source.sourceId === read.value.source.sourceId))
      return refused('registration-invalid', 'this source is listed twice; keep one', pointerToken(index))
    given.push(read.value)
  }
  return accepted(given)
}

function readGiven(item: Json): Outcome<GivenSource> {
  if (!isObject(item)) return refused('registration-invalid', 'a source is an object')
  const { id, secret, ...members } = item
  if (id !== undefined && members['sourceId'] !== undefined)
    return refused('registration-invalid', '"id" says the same as "sourceId"; keep one', '/id')
  const signs = secret === undefined ? {} : { authentication: 'hmac' }
  const source = readSource({ ...signs, ...(id !== undefined && { sourceId: id }), ...members })
  if (!source.ok) return source
  const canonical = canonicalJson(item)
  if (secret === undefined) return accepted({ source: source.value, canonical })

  if (source.value.authentication !== 'hmac')
    return refused('registration-invalid', 'a secret is for "authentication": "hmac" only', '/secret')
  const key = readWebhookSecret(typeof secret === 'string' ? secret : '')
  if (!key.ok) return refusedInside(key.fault, '/secret')
  return accepted({ source: source.value, secret: key.value, canonical })
}
