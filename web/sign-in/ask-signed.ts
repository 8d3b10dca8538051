import { useCallback, useEffect, useMemo, useState } from 'preact/hooks'
import { type Answer, type Asks, nodeUrl, readAnswer } from '../ask/ask.ts'
import type { Reads } from '../ask/shapes.ts'
import type { Signer } from './identity.ts'

export type SignedQuestion = {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  readonly body?: object
}

/** Asks this node as somebody who has signed in. */
export async function askSigned<T>(
  signer: Signer,
  path: string,
  reads: Reads<T>,
  { method = 'GET', body }: SignedQuestion = {},
): Promise<Answer<T>> {
  try {
    const { status, text } = await signer.fetch(nodeUrl(path), {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    return readAnswer(status, text, reads)
  } catch (error) {
    return { kind: 'unreachable', why: error instanceof Error ? error.message : String(error) }
  }
}

/** The same, as pages ask that ask again and again. */
export function useAskAs(signer: Signer): Asks {
  return useMemo(() => (path, reads) => askSigned(signer, path, reads), [signer])
}

export type SignedAsking<T> = { readonly answer: Answer<T> | undefined; again(): void }

/** What this node says to this reader; null asks nothing. */
export function useSigned<T>(signer: Signer, path: string | null, reads: Reads<T>): SignedAsking<T> {
  const [held, setHeld] = useState<{ readonly path: string; readonly answer: Answer<T> }>()
  const [turn, setTurn] = useState(0)
  useEffect(() => {
    if (path === null) return
    let isWanted = turn >= 0
    void askSigned(signer, path, reads).then(answer => isWanted && setHeld({ path, answer }))
    return () => {
      isWanted = false
    }
  }, [signer, path, turn, reads])
  const again = useCallback(() => setTurn(each => each + 1), [])
  return { answer: held?.path === path ? held.answer : undefined, again }
}
