import { useEffect, useState } from 'preact/hooks'
import type { Answer } from '../ask/ask.ts'
import { type DryRun, dryRun } from '../feeds/shapes.ts'
import { askSigned } from '../sign-in/ask-signed.ts'
import type { Signer } from '../sign-in/identity.ts'

/** So long nothing is typed before what stands there is tried. */
const QUIET_MS = 500
/** After a try that said nothing of the policy; twice as long each time. */
const AGAIN_MS = 1_000
const TRIES_MAX = 5

export type Tried = {
  /** What was tried: whoever has typed since sees what became of that. */
  readonly body: string
  readonly answer: Answer<DryRun>
  /** The answer says nothing of the policy: it is tried again, or was often enough. */
  readonly inVain: 'again' | 'given-up' | undefined
}

/** What the node says of the last body that it was asked of. */
export function useTried(signer: Signer, path: string, body: string | undefined): Tried | undefined {
  const [tried, setTried] = useState<Tried>()
  useEffect(() => {
    if (body === undefined) return
    let timer: ReturnType<typeof setTimeout>
    let isWanted = true
    const tryIt = async (nth: number) => {
      const answer = await askSigned(signer, path, dryRun, {
        method: 'POST',
        body: JSON.parse(body) as object,
      })
      if (!isWanted) return
      const inVain = !saysNothing(answer) ? undefined : nth < TRIES_MAX ? 'again' : 'given-up'
      setTried({ body, answer, inVain })
      if (inVain === 'again') timer = setTimeout(tryIt, AGAIN_MS * 2 ** (nth - 1), nth + 1)
    }
    timer = setTimeout(tryIt, QUIET_MS, 1)
    return () => {
      isWanted = false
      clearTimeout(timer)
    }
  }, [body, path, signer])
  return tried
}

/** The node was not to be reached, or busy, as it tries one policy of an identity at a time; or nothing has come yet to try it on. */
function saysNothing(answer: Answer<DryRun>): boolean {
  if (answer.kind === 'there') return answer.value.events.length === 0
  return answer.kind === 'unreachable' || [429, 503].includes(answer.status)
}
