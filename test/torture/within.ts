import { setTimeout as pause } from 'node:timers/promises'

const LOOK_EVERY_MS = 100

/** Looks until it is so, and throws where it is not so in time. What cannot be looked at is looked at again. */
export async function within(
  end: number | (() => number),
  isSo: () => Promise<boolean> | boolean,
  what: string,
): Promise<void> {
  const beganMs = Date.now()
  let why = ''
  for (;;) {
    try {
      if (await isSo()) return
    } catch (error) {
      why = `: ${error instanceof Error ? error.message : error}`
    }
    if (Date.now() > (typeof end === 'number' ? beganMs + end : end()))
      throw new Error(`waited ${Date.now() - beganMs} ms for ${what}${why}`)
    await pause(LOOK_EVERY_MS)
  }
}
