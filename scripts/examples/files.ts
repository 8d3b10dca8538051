import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'

export const examplesFolder = fileURLToPath(new URL('../../examples', import.meta.url))

/** By their path under the folder of examples. */
export type Examples = ReadonlyMap<string, string>

export function writeExamples(folder: string, examples: Examples): void {
  for (const [name, text] of examples) {
    writeFileSync(path.join(folder, name), text)
    console.log(`${name.padEnd(36)}${text.length} characters`)
  }
}

export function inJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

/** What is written by hand of a kind of feed. */
export type Feed = {
  readonly kind: string
  readonly sourceId: string
  readonly events: readonly z.infer<typeof json>[]
  /** As `assay sources put` takes it: mapping, schema and rules in one policy. */
  readonly source: object
}

const json = z.json()
const object = z.record(z.string(), json)

export function readFeeds(): Feed[] {
  return readdirSync(path.join(examplesFolder, 'feeds')).map(kind => {
    const read = (name: string) =>
      json.parse(JSON.parse(readFileSync(path.join(examplesFolder, 'feeds', kind, `${name}.json`), 'utf8')))
    const sourceId = `example-${kind}`
    const policy = { ...object.parse(read('mapping')), schema: read('schema'), rules: read('rules') }
    return {
      kind,
      sourceId,
      events: z.array(json).parse(read('events')),
      source: { sourceId, shape: 'bare', eventType: kind, policy },
    }
  })
}
