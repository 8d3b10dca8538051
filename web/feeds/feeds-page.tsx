import { useState } from 'preact/hooks'
import { NoAnswer } from '../parts/notice.tsx'
import { useSigned } from '../sign-in/ask-signed.ts'
import type { Signer } from '../sign-in/identity.ts'
import { SignedIn } from '../sign-in/sign-in.tsx'
import { FeedCard } from './feed-card.tsx'
import { RegisterFeed } from './register-feed.tsx'
import { feeds } from './shapes.ts'

/** Who may send events here, and with which keys: of whoever has signed in. */
export function FeedsPage() {
  return (
    <>
      <div class="page-head">
        <h1>Feeds and keys</h1>
      </div>
      <p class="lead">
        A feed is an origin of events of yours: its key signs what it sends, and the node says at the door
        what it thinks of it.
      </p>
      <SignedIn>{signer => <Feeds signer={signer} />}</SignedIn>
    </>
  )
}

function Feeds({ signer }: { readonly signer: Signer }) {
  const { answer, again } = useSigned(signer, '/publishers/feeds?limit=100', feeds)
  /** Secrets are shown once, by feed; they are nowhere but in this page. */
  const [secrets, setSecrets] = useState<Readonly<Record<string, string>>>({})
  const remember = (feedId: string, secret: string | null) => {
    if (secret !== null) setSecrets(before => ({ ...before, [feedId]: secret }))
    again()
  }
  if (answer === undefined) return <p class="quiet">Loading…</p>
  if (answer.kind !== 'there') return <NoAnswer answer={answer} what="Your feeds" />
  const { feeds: own, feedsMax, mayRegister, nextAfter } = answer.value
  return (
    <>
      {own.length === 0 && (
        <p class="card quiet">
          You have no feed yet.{' '}
          {mayRegister
            ? 'Register one below; it takes a name.'
            : 'This node registers none for you: ask its operator (docs/sources.md).'}
        </p>
      )}
      {own.map(feed => (
        <FeedCard
          key={feed.feedId}
          feed={feed}
          signer={signer}
          secret={secrets[feed.feedId]}
          changed={remember}
        />
      ))}
      {mayRegister && own.length < feedsMax && <RegisterFeed signer={signer} registered={remember} />}
      <p class="source">
        From /publishers/feeds: {own.length} of the {feedsMax} feeds that one identity may have here
        {nextAfter !== null && '; only the first 100 are listed'}.
      </p>
    </>
  )
}
