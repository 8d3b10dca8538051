import * as z from 'zod'

/** What the benchmark asks a contender's process for; each is answered before the next one. */
export const command = z.discriminatedUnion('what', [
  z.object({
    what: z.literal('open'),
    contender: z.enum(['assay', 'stock']),
    databaseUrl: z.string(),
    workloadFile: z.string(),
  }),
  z.object({
    what: z.literal('submit'),
    of: z.enum(['singles', 'chains']),
    from: z.int(),
    to: z.int(),
    concurrency: z.int(),
    /** They were submitted before, so a contender need not admit them again. */
    again: z.boolean(),
    profiled: z.boolean(),
  }),
  z.object({ what: z.literal('listen') }),
  z.object({ what: z.literal('cpu') }),
  z.object({ what: z.literal('close') }),
])
export type Command = z.output<typeof command>

const cpu = z.object({ cpuMs: z.number() })
const submitted = z.object({
  ...cpu.shape,
  submits: z.int(),
  wallMs: z.number(),
  p50Ms: z.number(),
  p95Ms: z.number(),
  /** Milliseconds of CPU by stage, where it was profiled. */
  stages: z.record(z.string(), z.number()).optional(),
})

export const answers = {
  open: z.object({}),
  submit: submitted,
  listen: z.object({ url: z.string() }),
  cpu,
  close: z.object({}),
}
export type Answer<What extends Command['what']> = z.output<(typeof answers)[What]>

export const failure = z.object({ failed: z.string() })
