import { useMemo } from 'preact/hooks'
import type { Signer } from '../sign-in/identity.ts'
import { SignedIn } from '../sign-in/sign-in.tsx'
import { HeldDesk } from './held-desk.tsx'
import { publishersHoldings } from './holdings.ts'

/** For publishers: what is held of their feeds and streams, to be decided over. */
export function OwnDesk() {
  return (
    <SignedIn why="You see what is held of your feeds and streams then, and decide over it.">
      {signer => <Own signer={signer} />}
    </SignedIn>
  )
}

function Own({ signer }: { readonly signer: Signer }) {
  const holdings = useMemo(() => publishersHoldings(signer), [signer])
  return (
    <section class="card" aria-labelledby="own-desk">
      <h2 id="own-desk">Held of yours</h2>
      <HeldDesk holdings={holdings} />
    </section>
  )
}
