/** Does it, unless it was done for the same key a short while ago. `leftOut`: how often it was not, since then. */
export type Seldom = (key: string, say: (leftOut: number) => void) => void

/** An outage says the same thing many times a second; the log needs to hear it once in a while. */
export const SELDOM_MS = 60_000
const KEYS_MAX = 1000

export function openSeldom({ everyMs = SELDOM_MS, nowMs = () => performance.now() } = {}): Seldom {
  const said = new Map<string, { readonly atMs: number; leftOut: number }>()
  return (key, say) => {
    const last = said.get(key)
    if (last !== undefined && nowMs() - last.atMs < everyMs) {
      last.leftOut += 1
      return
    }
    // So many keys at once are one outage more than anybody follows: some are told twice.
    if (said.size >= KEYS_MAX) said.clear()
    said.set(key, { atMs: nowMs(), leftOut: 0 })
    say(last?.leftOut ?? 0)
  }
}
