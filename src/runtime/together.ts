import { openInTurn } from './in-turn.ts'

export type TogetherOptions = {
  readonly itemsMax: number
  /** Runs at the same time: one that has to wait keeps the next from nothing. One that has failed counts twice while it tries each. */
  readonly runsMax: number
  /** Whether `work`, where it fails for several, can be tried for each of them: then it has left nothing behind. */
  readonly againEach: boolean
}

const EACH_AT_ONCE = 2

/** Calls that come within one turn, or while as many runs as may be are under way, are done in one run. */
export function together<T, R>(
  work: (items: readonly T[]) => Promise<readonly R[]>,
  { itemsMax, runsMax, againEach }: TogetherOptions,
): (item: T) => Promise<R> {
  type Waiting = { readonly item: T; resolve(result: R): void; reject(why: unknown): void }
  const waiting: Waiting[] = []
  let runs = 0

  const settle = async (those: readonly Waiting[]) => {
    try {
      const results = await work(those.map(({ item }) => item))
      if (results.length !== those.length)
        throw new Error(`${those.length} were to be done together, and ${results.length} answers came`)
      for (const [i, { resolve }] of those.entries()) resolve(results[i] as R)
    } catch (error) {
      if (againEach && those.length > 1) await settleEach(those)
      else for (const { reject } of those) reject(error)
    }
  }
  /** Nobody fails for another's reason. Where it is everybody's, that is found out two by two. */
  const settleEach = async (those: readonly Waiting[]) => {
    const inTurn = openInTurn(EACH_AT_ONCE)
    await Promise.all(those.map(each => inTurn(() => settle([each]))))
  }
  const run = async () => {
    for (let some = waiting.splice(0, itemsMax); some.length > 0; some = waiting.splice(0, itemsMax))
      await settle(some)
    runs -= 1
  }
  return item =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (runs >= runsMax) return
      runs += 1
      setImmediate(run)
    })
}
