import type * as z from 'zod'

/** `fallback`: the text that counts where nothing is set; without one, it may be left unset. `isSecret`: never shown. */
export type Entry = {
  readonly schema: z.ZodType
  readonly fallback: string | undefined
  readonly about: string
  readonly isSecret: boolean
}

export function setting<S extends z.ZodType>(schema: S, fallback: string, about: string) {
  return { schema, fallback, about, isSecret: false }
}

export function optional<S extends z.ZodType>(schema: S, about: string) {
  return { schema: schema.optional(), fallback: undefined, about, isSecret: false }
}

export function secret<S extends z.ZodType>(schema: S, about: string) {
  return { schema: schema.optional(), fallback: undefined, about, isSecret: true }
}
