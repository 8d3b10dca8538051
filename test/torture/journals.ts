import { existsSync, readFileSync } from 'node:fs'
import * as z from 'zod'
import type { Choices } from '../core/rounds/simulator/choices.ts'

/** What a publisher has been told of one event, once it was told. */
const sentShape = z.object({
  sourceId: z.string(),
  id: z.number(),
  /** `again` is the same event once more, after it was answered for. */
  kind: z.enum(['first', 'again']),
  status: z.string(),
  eventId: z.string().nullable(),
  seq: z.number().nullable(),
  /** Of what was never answered for. */
  why: z.string().nullable(),
})
export type Sent = z.output<typeof sentShape>

/** What a reader was told, and where it stands with it. */
const toldShape = z.object({ cursor: z.string().nullable(), told: z.looseObject({ type: z.string() }) })
export type Told = z.output<typeof toldShape>

export const readSent = (file: string): Sent[] => linesOf(file).map(line => sentShape.parse(JSON.parse(line)))
export const readTold = (file: string): Told[] => linesOf(file).map(line => toldShape.parse(JSON.parse(line)))

/** A line that was cut off is as if it had not been begun. */
export function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
}

/** About so many, now more and now less. */
export function bump({ pick }: Choices, mean: number): number {
  return Math.round((mean * (1 + pick(199))) / 100)
}
