/*
 * Single members of canonical lines, found without reading the lines. A stage that only counts would otherwise
 * spend most of its time on reading again what earlier stages have read and a quorum has agreed on.
 *
 * What makes it sound is the canonical form. Keys are in order, and a quote inside a text is escaped, so
 * `"name":` can only be a key. Before "ingestTimeMs" stands no member with keys of its own but cloudEvent, whose
 * keys are lower case; after "qualityFlags" none but transformations, whose keys are three others.
 */

export function eventTimeIn(line: string): number | undefined {
  return numberAfter(line, '"eventTimeMs":', line.indexOf('"eventTimeMs":'))
}

export function ingestTimeIn(line: string): number | undefined {
  return numberAfter(line, '"ingestTimeMs":', line.indexOf('"ingestTimeMs":'))
}

/** Of an event that goes on, and of one set aside. */
export function eventIdIn(line: string): string | undefined {
  const at = line.indexOf(EVENT_ID_KEY) + EVENT_ID_KEY.length
  const eventId = line.slice(at, at + 64)
  return at >= EVENT_ID_KEY.length && /^[0-9a-f]{64}$/.test(eventId) ? eventId : undefined
}

const EVENT_ID_KEY = '"eventId":"'

/** Of an event that goes on, and of one set aside. */
export function qualityFlagsIn(line: string): number | undefined {
  return numberAfter(line, '"qualityFlags":', line.lastIndexOf('"qualityFlags":'))
}

export function sourceSeqIn(line: string): bigint | undefined {
  const digits = textAfter(line, '"sourceSeq":"')
  return digits === undefined ? undefined : BigInt(digits)
}

export function sourceIdIn(line: string): string | undefined {
  return textAfter(line, '"sourceId":"')
}

/** What follows its eventId tells an entry of a stage's output from an event: that one has its time next. */
export function isSetAside(line: string): boolean {
  return line.startsWith('{"eventId":"') && line.startsWith('"issues":', '{"eventId":"",'.length + 64)
}

/** Of a member that stands after "qualityFlags". */
function textAfter(line: string, key: string): string | undefined {
  const at = line.indexOf(key, line.lastIndexOf('"qualityFlags":'))
  if (at < 0) return undefined
  const start = at + key.length - 1
  let end = start + 1
  while (end < line.length && line[end] !== '"') end += line[end] === '\\' ? 2 : 1
  const text: unknown = JSON.parse(line.slice(start, end + 1))
  return typeof text === 'string' ? text : undefined
}

function numberAfter(line: string, key: string, at: number): number | undefined {
  if (at < 0) return undefined
  let value = 0
  let digits = 0
  for (let i = at + key.length; ; i++, digits++) {
    const digit = line.charCodeAt(i) - 48
    if (!(digit >= 0 && digit <= 9)) break
    value = value * 10 + digit
  }
  return digits > 0 && Number.isSafeInteger(value) ? value : undefined
}
