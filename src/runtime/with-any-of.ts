/**
 * Works under a signal that aborts as soon as one of these does. `AbortSignal.any` would be it, but in Node 20 it leaves
 * something behind at each of them for as long as that one lives, and what stops a process lives as long as the process.
 */
export async function withAnyOf<T>(
  signals: readonly AbortSignal[],
  work: (any: AbortSignal) => Promise<T>,
): Promise<T> {
  const any = new AbortController()
  const abort = () => any.abort(signals.find(({ aborted }) => aborted)?.reason)
  for (const signal of signals) signal.addEventListener('abort', abort)
  if (signals.some(({ aborted }) => aborted)) abort()
  try {
    return await work(any.signal)
  } finally {
    for (const signal of signals) signal.removeEventListener('abort', abort)
  }
}
