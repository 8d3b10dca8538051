/**
 * What the packets of jobs that are worked on may have together, so that several large ones are not in memory at once. Each
 * log has an equal share: one that names what nobody delivers keeps no other waiting. A job that is alone in the share of its
 * log always has room: whether it is too large is not decided here.
 */
export type BytesAtOnce = {
  open(log: string): BytesPlace
  /** Of jobs that have room. */
  held(): number
}

/** Of one job. */
export type BytesPlace = {
  /** Resolves when there is room, in the order in which jobs of its log ask. What it has it keeps until its release, and is not given twice. */
  take(bytes: number, stop: AbortSignal): Promise<void>
  release(): void
}

type Share = { held: number; readonly line: Waiting[] }
type Waiting = { readonly bytes: number; begin(): void }

/** `logs`: how many it works for. */
export function openBytesAtOnce(bytesMax: number, logs: () => number): BytesAtOnce {
  const shares = new Map<string, Share>()
  const fits = ({ held }: Share, bytes: number) =>
    held === 0 || held + bytes <= bytesMax / Math.max(1, logs())
  const admit = (log: string, share: Share) => {
    for (let [next] = share.line; next !== undefined && fits(share, next.bytes); [next] = share.line) {
      share.line.shift()
      share.held += next.bytes
      next.begin()
    }
    // Another may have come in its place, where it held nothing for a while.
    const isOver = share.held === 0 && share.line.length === 0
    if (isOver && shares.get(log) === share) shares.delete(log)
  }
  const standInLine = (log: string, share: Share, bytes: number, stop: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      const leave = () => {
        share.line.splice(share.line.indexOf(waiting), 1)
        reject(stop.reason)
        admit(log, share)
      }
      const waiting: Waiting = {
        bytes,
        begin() {
          stop.removeEventListener('abort', leave)
          resolve()
        },
      }
      stop.addEventListener('abort', leave, { once: true })
      share.line.push(waiting)
      admit(log, share)
    })
  return {
    held: () => [...shares.values()].reduce((sum, { held }) => sum + held, 0),
    open(log) {
      let taken: { readonly share: Share; readonly bytes: number } | undefined
      return {
        async take(bytes, stop) {
          // Parts that did not come are asked for anew, all of them.
          if (taken !== undefined) return
          stop.throwIfAborted()
          const share = shares.get(log) ?? { held: 0, line: [] }
          shares.set(log, share)
          await standInLine(log, share, bytes, stop)
          taken = { share, bytes }
        },
        release() {
          if (taken === undefined) return
          const { share, bytes } = taken
          taken = undefined
          share.held -= bytes
          admit(log, share)
        },
      }
    },
  }
}
