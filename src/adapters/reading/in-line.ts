import { openInTurn } from '../../runtime/in-turn.ts'

/** Does the work once there is a place for it; `busy` where too many wait for one already. */
export type InLine = <T>(work: () => Promise<T>) => Promise<T | 'busy'>

export type InLineBounds = { readonly atOnceMax: number; readonly waitingMax: number }

/** Each reads files: more at once would only wait for the disk. */
export const readingBounds: InLineBounds = { atOnceMax: 8, waitingMax: 256 }

export function openInLine({ atOnceMax, waitingMax }: InLineBounds = readingBounds): InLine {
  const inTurn = openInTurn(atOnceMax)
  let here = 0
  return async work => {
    if (here >= atOnceMax + waitingMax) return 'busy'
    here += 1
    try {
      return await inTurn(work)
    } finally {
      here -= 1
    }
  }
}
