import * as z from 'zod'

/* What is said between the suite and the processes that it measures. */

export const contenders = ['assay', 'stock', 'stockOnNativeCurve'] as const
export type ContenderName = (typeof contenders)[number]

export const setting = z.object({
  contender: z.enum(contenders),
  databaseUrl: z.string(),
  /** Of the identity that answers, in hex. */
  privateKey: z.string(),
})
export type Setting = z.output<typeof setting>

export const opened = z.object({ port: z.number() })
export const spent = z.object({ cpuMs: z.number() })
