import type { LineConstants } from '../../core/event/line.ts'

/** What a projection knows of an event, and where its line stands among those of its segment. */
export type ScannedEvent = {
  /** 64 hex digits. */
  readonly eventId: string
  readonly eventTimeMs: number
  readonly ingestTimeMs: number
  readonly nativeId: string | undefined
  readonly flags: number
  readonly revises: string | undefined
  readonly sourceId: string
  readonly type: string
  readonly lineAt: number
  readonly lineBytes: number
}

/**
 * The events of a segment, found without reading their JSON. The text has a character per byte, so that places in it
 * are places in the bytes. It is sound because lines are canonical: keys are in
 * order, and a quote inside a text is escaped, so that `"name":` is a key. Of the members looked for, those before
 * `payload` stand before any member with keys of a publisher's choice but cloudEvent, whose keys are lower case, and
 * are looked for in one direction; those behind it are looked for behind the last `"qualityFlags":`.
 */
export function scanSegment(text: string, constants: LineConstants): ScannedEvent[] {
  const events: ScannedEvent[] = []
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start)
    if (end < 0) throw new Error(`the line at byte ${start} of a segment has no end`)
    events.push(scanLine(text.slice(start, end), start, constants))
    start = end + 1
  }
  return events
}

function scanLine(line: string, lineAt: number, constants: LineConstants): ScannedEvent {
  const idAt = after(line, '"eventId":"', 0)
  const eventAt = after(line, '"eventTimeMs":', idAt)
  const ingestAt = after(line, '"ingestTimeMs":', eventAt)
  const ingestEnd = digitsEnd(line, ingestAt)
  const flagsAt = line.lastIndexOf('"qualityFlags":')
  if (flagsAt < 0) throw missing('qualityFlags')
  const flagsEnd = digitsEnd(line, flagsAt + '"qualityFlags":'.length)
  return {
    eventId: line.slice(idAt, idAt + 64),
    eventTimeMs: Number(line.slice(eventAt, digitsEnd(line, eventAt))),
    ingestTimeMs: Number(line.slice(ingestAt, ingestEnd)),
    nativeId: textRightAt(line, ',"nativeId":', ingestEnd),
    flags: Number(line.slice(flagsAt + '"qualityFlags":'.length, flagsEnd)),
    revises: textRightAt(line, ',"revises":', flagsEnd),
    sourceId: constants.sourceId ?? textAt(line, after(line, '"sourceId":', flagsEnd)),
    type: constants.type ?? textAt(line, after(line, '"type":', flagsEnd)),
    lineAt,
    lineBytes: line.length,
  }
}

function after(line: string, key: string, from: number): number {
  const at = line.indexOf(key, from)
  if (at < 0) throw missing(key)
  return at + key.length
}

function missing(key: string): Error {
  return new Error(`a line of the log has no ${key}; \`assay doctor\` recounts the log`)
}

function digitsEnd(line: string, from: number): number {
  let end = from
  while (line.charCodeAt(end) >= 48 && line.charCodeAt(end) <= 57) end++
  return end
}

function textRightAt(line: string, key: string, at: number): string | undefined {
  return line.startsWith(key, at) ? textAt(line, at + key.length) : undefined
}

/** The JSON text that begins at this quote. Only one that has escapes or is not ASCII is worth reading properly. */
function textAt(line: string, quote: number): string {
  let end = quote + 1
  let isPlain = true
  for (; ; end++) {
    const code = line.charCodeAt(end)
    if (code === 0x22) break
    if (code === 0x5c) {
      isPlain = false
      end++
    } else if (code > 0x7e) isPlain = false
    if (Number.isNaN(code)) throw new Error('a text of a line has no end')
  }
  const raw = line.slice(quote, end + 1)
  return isPlain ? raw.slice(1, -1) : String(JSON.parse(Buffer.from(raw, 'latin1').toString('utf8')))
}
