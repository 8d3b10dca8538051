/**
 * What the packets of all jobs that are worked on may have together, so that several large ones are not in memory at once.
 * Each log has an equal share: one that names what nobody delivers keeps no other waiting.
 */
export type BytesAtOnce = {
  open(log: string): BytesPlace
  /** Of jobs that have theirs. */
  held(): number
}

/** Of one job. */
export type BytesPlace = {
  /** Resolves when there is room, in the order in which jobs of its log ask; what it has taken it has until its release. */
  take(bytes: number): Promise<void>
  release(): void
}

type Share = { held: number; readonly line: { readonly bytes: number; begin(): void }[] }

/** `logs`: how many it works for. */
export function openBytesAtOnce(bytesMax: number, logs: () => number): BytesAtOnce {
  const shares = new Map<string, Share>()
  // A job that is alone always has room: whether it is too large is not decided here.
  const fits = ({ held }: Share, bytes: number) =>
    held === 0 || held + bytes <= bytesMax / Math.max(1, logs())
  const admit = (share: Share) => {
    for (let [next] = share.line; next !== undefined && fits(share, next.bytes); [next] = share.line) {
      share.line.shift()
      share.held += next.bytes
      next.begin()
    }
  }
  return {
    held: () => [...shares.values()].reduce((sum, { held }) => sum + held, 0),
    open(log) {
      let taken: { readonly share: Share; readonly bytes: number } | undefined
      return {
        async take(bytes) {
          if (taken !== undefined) return
          const share = shares.get(log) ?? { held: 0, line: [] }
          shares.set(log, share)
          await new Promise<void>(begin => {
            share.line.push({ bytes, begin })
            admit(share)
          })
          taken = { share, bytes }
        },
        release() {
          if (taken === undefined) return
          const { share, bytes } = taken
          taken = undefined
          share.held -= bytes
          admit(share)
          if (share.held === 0 && share.line.length === 0) shares.delete(log)
        },
      }
    },
  }
}
