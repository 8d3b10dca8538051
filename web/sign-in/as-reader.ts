import { useMemo } from 'preact/hooks'
import { type Asks, ask } from '../ask/ask.ts'
import { askSigned } from './ask-signed.ts'
import { useIdentity } from './identity.ts'

/** Asks this node as whoever has signed in, who may read more than everybody may. */
export function useAskAsReader(): Asks {
  const signer = useIdentity()?.signer
  return useMemo(
    () => (signer === undefined ? ask : (path, reads) => askSigned(signer, path, reads)),
    [signer],
  )
}
