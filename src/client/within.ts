/** Rejects where it takes longer; whoever waits hangs up then. For what cannot be told to stop by itself. */
export function within<T>(awaited: Promise<T>, milliseconds: number, why: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(why)), milliseconds)
    awaited.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
