/** Does the work once there is a place for it. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>

/** As many wait as ask: for whoever bounds them elsewhere. */
export function openInTurn(atOnceMax: number): InTurn {
  const waiting: (() => void)[] = []
  let open = 0
  const enter = async () => {
    if (open < atOnceMax) open += 1
    else await new Promise<void>(go => waiting.push(go))
  }
  /** A place goes from hand to hand while anybody waits for one. */
  const leave = () => {
    const next = waiting.shift()
    if (next === undefined) open -= 1
    else next()
  }
  return async work => {
    await enter()
    try {
      return await work()
    } finally {
      leave()
    }
  }
}
