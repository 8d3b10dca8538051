import { useCallback, useEffect, useState } from 'preact/hooks'
import { type Answer, type Asks, ask } from './ask.ts'
import type { Reads } from './shapes.ts'

export type Asking<T> = {
  /** Undefined until there is one. What was known stays while it is asked again. */
  readonly answer: Answer<T> | undefined
  /** The last one that was an answer. */
  readonly known: T | undefined
  again(): void
}

/** What this node says at a path; null asks nothing. With `everyMs` it is asked again while somebody looks. */
export function useAnswer<T>(
  path: string | null,
  reads: Reads<T>,
  everyMs?: number,
  { also = [], asks = ask }: { readonly also?: readonly number[]; readonly asks?: Asks } = {},
): Asking<T> {
  const [held, setHeld] = useState<{ path: string | null; answer?: Answer<T>; known?: T }>({ path })
  const [turn, setTurn] = useState(0)
  useEffect(() => {
    if (path === null) return
    const abort = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const look = async () => {
      if (!document.hidden) {
        const answer = await asks(path, reads, { signal: abort.signal, also })
        if (abort.signal.aborted) return
        setHeld(before => ({
          path,
          answer,
          ...(answer.kind === 'there'
            ? { known: answer.value }
            : before.path === path && before.known !== undefined && { known: before.known }),
        }))
      }
      if (everyMs !== undefined && !abort.signal.aborted) timer = setTimeout(look, everyMs)
    }
    void look()
    return () => {
      abort.abort()
      clearTimeout(timer)
    }
  }, [path, everyMs, turn, asks])
  const again = useCallback(() => setTurn(each => each + 1), [])
  const isOfThis = held.path === path
  return { answer: isOfThis ? held.answer : undefined, known: isOfThis ? held.known : undefined, again }
}
