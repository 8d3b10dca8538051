import { useEffect, useState } from 'preact/hooks'

/** Who has signed in, and how its requests are signed (BRC-104). */
export type Signer = {
  readonly identityKey: string
  fetch(
    url: string,
    asked: { readonly method: string; readonly body: string | undefined },
  ): Promise<{ readonly status: number; readonly text: string }>
}

export type Identity = { readonly kind: 'key' | 'wallet'; readonly signer: Signer }

let current: Identity | undefined
const listeners = new Set<(identity: Identity | undefined) => void>()

export function useIdentity(): Identity | undefined {
  const [shown, setShown] = useState(current)
  useEffect(() => {
    listeners.add(setShown)
    setShown(current)
    return () => void listeners.delete(setShown)
  }, [])
  return shown
}

export function signedIn(identity: Identity | undefined): void {
  current = identity
  for (const listener of listeners) listener(identity)
}
