import { useEffect, useRef, useState } from 'preact/hooks'
import type { Answer } from '../ask/ask.ts'
import { type DryRun, dryRun } from '../feeds/shapes.ts'
import { askSigned } from '../sign-in/ask-signed.ts'
import type { Signer } from '../sign-in/identity.ts'

/** So long nothing is typed before what stands there is tried. */
const QUIET_MS = 500
const AGAIN_MS = 2_000

export type Tried = {
  /** What was tried: whoever has typed since sees what became of that. */
  readonly body: string
  readonly answer: Answer<DryRun>
}

/** What the node says of the last body that it was asked of. */
export function useTried(signer: Signer, path: string, body: string | undefined): Tried | undefined {
  const [tried, setTried] = useState<Tried>()
  // The node tries one of an identity's at a time, and refuses the next one meanwhile.
  const before = useRef<Promise<void>>(Promise.resolve())
  useEffect(() => {
    if (body === undefined) return
    let isWanted = true
    const tryIt = async () => {
      while (isWanted) {
        const answer = await askSigned(signer, path, dryRun, {
          method: 'POST',
          body: JSON.parse(body) as object,
        })
        if (isWanted) setTried({ body, answer })
        if (!isPassing(answer) && !hasNothing(answer)) return
        await new Promise(resolve => setTimeout(resolve, AGAIN_MS))
      }
    }
    const timer = setTimeout(() => {
      before.current = before.current.then(tryIt)
    }, QUIET_MS)
    return () => {
      isWanted = false
      clearTimeout(timer)
    }
  }, [body, path, signer])
  return tried
}

/** Nothing has come yet that it could be tried on, and may any moment. */
function hasNothing(answer: Answer<DryRun>): boolean {
  return answer.kind === 'there' && answer.value.events.length === 0
}

/** It says nothing of the policy: the node was busy, or not to be reached. */
export function isPassing(answer: Answer<unknown>): boolean {
  return answer.kind === 'unreachable' || (answer.kind === 'refused' && [429, 503].includes(answer.status))
}
