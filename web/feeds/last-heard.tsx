import { useAnswer } from '../ask/use-answer.ts'
import { When } from '../parts/time.tsx'
import { useAskAs } from '../sign-in/ask-signed.ts'
import type { Signer } from '../sign-in/identity.ts'
import { type Feed, lastHeard } from './shapes.ts'

const LOOK_MS = 10_000

/** Of now, while somebody looks. The rest of a feed is not: who changes it has to have seen the version that they change. */
export function LastHeard({ feed, signer }: { readonly feed: Feed; readonly signer: Signer }) {
  const path = `/publishers/feeds/${encodeURIComponent(feed.feedId)}`
  const { known } = useAnswer(path, lastHeard, LOOK_MS, { asks: useAskAs(signer) })
  const { lastActivityAt } = known ?? feed
  return lastActivityAt === null ? (
    <span class="unknown">nothing has come yet</span>
  ) : (
    <When ms={Date.parse(lastActivityAt)} />
  )
}
