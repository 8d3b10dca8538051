/**
 * Works under a signal that aborts as soon as one of these does. `AbortSignal.any` would be it, but in Node 20 it leaves
 * something behind at each of them for as long as that one lives, and what stops a process lives as long as the process.
 */
export async function withAnyOf<T>(
  given: readonly (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const signals = given.filter(signal => signal !== undefined)
  const first = new AbortController()
  const abort = () => first.abort(signals.find(({ aborted }) => aborted)?.reason)
  for (const signal of signals) signal.addEventListener('abort', abort)
  if (signals.some(({ aborted }) => aborted)) abort()
  try {
    return await work(first.signal)
  } finally {
    for (const signal of signals) signal.removeEventListener('abort', abort)
  }
}
