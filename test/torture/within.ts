import { setTimeout as pause } from 'node:timers/promises'

const LOOK_EVERY_MS = 100

/** Looks until it is so, and throws where it is not so in time. What cannot be looked at is looked at again. */
export async function within(
  ms: number,
  isSo: () => Promise<boolean> | boolean,
  what: string,
): Promise<void> {
  const endMs = Date.now() + ms
  let why = ''
  for (;;) {
    try {
      if (await isSo()) return
    } catch (error) {
      why = `: ${error instanceof Error ? error.message : error}`
    }
    if (Date.now() > endMs) throw new Error(`waited ${ms} ms for ${what}${why}`)
    await pause(LOOK_EVERY_MS)
  }
}
