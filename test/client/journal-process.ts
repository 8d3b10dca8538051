import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs'
import * as z from 'zod'
import { subscribe } from '../../src/client/index.ts'

/*
 * A reader that may be killed at any line: what it has made of an event, and where it stands after that, are one write. Its
 * arguments: a node, a journal, and whom it trusts.
 */

const journalLine = z.object({ position: z.string() })
const [url = '', journal = '', log = '', operators = ''] = process.argv.slice(2)

const lines = wholeLines()
const last = lines.at(-1)
const from = last === undefined ? 'earliest' : journalLine.parse(JSON.parse(last)).position
const items = subscribe({
  url,
  from,
  verify: { logs: new Set([log]), operators: new Set(operators.split(',')) },
  pauseMsMax: 500,
})
for await (const { message, position, verified, notChecked } of items) {
  const { type, streamId, partition, packetNo } = message
  const id = 'eventId' in message ? message.eventId : null
  const line = 'line' in message ? message.line : null
  const told = { type, id, streamId, partition, packetNo, line, verified, notChecked, position }
  appendFileSync(journal, `${JSON.stringify(told)}\n`)
}

/** A line that was cut off is as if it had not been begun. */
function wholeLines(): string[] {
  if (!existsSync(journal)) return []
  const text = readFileSync(journal, 'utf8')
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  truncateSync(journal, Buffer.byteLength(whole))
  return whole.split('\n').slice(0, -1)
}
