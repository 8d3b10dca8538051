/** Does the work once there is a place for it; `busy` where too many wait for one already. */
export type InLine = <T>(work: () => Promise<T>) => Promise<T | 'busy'>

export type InLineBounds = { readonly atOnceMax: number; readonly waitingMax: number }

/** Each reads files: more at once would only wait for the disk. */
export const readingBounds: InLineBounds = { atOnceMax: 8, waitingMax: 256 }

export function openInLine({ atOnceMax, waitingMax }: InLineBounds = readingBounds): InLine {
  const waiting: (() => void)[] = []
  let open = 0
  const enter = async (): Promise<boolean> => {
    if (open < atOnceMax) open += 1
    else if (waiting.length >= waitingMax) return false
    else await new Promise<void>(go => waiting.push(go))
    return true
  }
  /** A place goes from hand to hand while anybody waits for one. */
  const leave = () => {
    const next = waiting.shift()
    if (next === undefined) open -= 1
    else next()
  }
  return async work => {
    if (!(await enter())) return 'busy'
    try {
      return await work()
    } finally {
      leave()
    }
  }
}
