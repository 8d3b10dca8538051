import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { CopyButton } from '../parts/copy.tsx'
import { Hash } from '../parts/hash.tsx'
import { Notice } from '../parts/notice.tsx'
import { usePulse } from '../shell/pulse.ts'
import { type Identity, type Signer, signedIn, useIdentity } from './identity.ts'
import { isKey, keepKey, keptKey, newKey } from './local-key.ts'

/** What only somebody who has signed in can see; before that, how to. */
export function SignedIn({
  children,
  why,
}: {
  children(signer: Signer): ComponentChildren
  /** What for, where the page does not say it. */
  readonly why?: string
}) {
  const identity = useIdentity()
  return identity === undefined ? (
    <SignIn why={why} />
  ) : (
    <>
      <Who identity={identity} />
      {children(identity.signer)}
    </>
  )
}

function SignIn({ why }: { readonly why: string | undefined }) {
  const pulse = usePulse()
  const network = pulse.kind === 'asking' ? undefined : pulse.node?.network
  const [said, setSaid] = useState<string>()
  const [given, give] = useState('')
  const kept = keptKey()

  const enter = async (kind: Identity['kind'], open: () => Promise<Signer>) => {
    setSaid('Signing in…')
    try {
      signedIn({ kind, signer: await open() })
    } catch (error) {
      setSaid(
        kind === 'wallet'
          ? `No wallet has answered on this machine. Start one that speaks BRC-100, and allow this page. (${String(error)})`
          : String(error),
      )
    }
  }
  const withKey = (key: string) => enter('key', async () => (await import('./sdk.ts')).signWithKey(key))
  return (
    <section class="card" aria-labelledby="sign-in">
      <h2 id="sign-in">Sign in</h2>
      <p class="quiet">
        Who you are is a key, and every request is signed with it (BRC-104). There is no account, and no
        password.{why !== undefined && ` ${why}`}
      </p>
      <div class="row">
        <button
          type="button"
          class={network === 'local' ? '' : 'first'}
          onClick={() => void enter('wallet', async () => (await import('./sdk.ts')).signWithWallet())}
        >
          With a wallet (BRC-100)
        </button>
        {network === 'local' && (
          <button
            type="button"
            class="first"
            onClick={() => {
              const key = kept ?? newKey()
              keepKey(key)
              void withKey(key)
            }}
          >
            {kept === undefined ? 'With a new key of this browser' : 'With the key of this browser'}
          </button>
        )}
      </div>
      {network === 'local' ? (
        <details>
          <summary>With a key that you have</summary>
          <form
            class="fields"
            onSubmit={event => {
              event.preventDefault()
              const key = given.trim().toLowerCase()
              if (!isKey(key)) return setSaid('That is no private key: 64 hex digits.')
              keepKey(key)
              void withKey(key)
            }}
          >
            <div>
              <label class="field-label" for="private-key">
                Private key, 64 hex digits
              </label>
              <div class="search-row">
                <input
                  id="private-key"
                  type="password"
                  autocomplete="off"
                  value={given}
                  onInput={({ currentTarget }) => give(currentTarget.value)}
                />
                <button type="submit">Take it</button>
              </div>
            </div>
          </form>
        </details>
      ) : (
        <p class="quiet">On a public network a page is no place for a key, so only a wallet signs.</p>
      )}
      <p role="status" class="quiet">
        {said ?? ''}
      </p>
    </section>
  )
}

function Who({ identity }: { readonly identity: Identity }) {
  const [isShown, show] = useState(false)
  const key = identity.kind === 'key' ? keptKey() : undefined
  return (
    <div class="who">
      <p>
        Signed in as <Hash value={identity.signer.identityKey} name="your identity key" />
        <span class="quiet">{identity.kind === 'wallet' ? ' by a wallet' : ' by a key of this browser'}</span>
      </p>
      <div class="row">
        {key !== undefined && (
          <button type="button" aria-pressed={isShown} onClick={() => show(!isShown)}>
            {isShown ? 'Hide the key' : 'Export the key'}
          </button>
        )}
        <button type="button" onClick={() => signedIn(undefined)}>
          Sign out
        </button>
      </div>
      {isShown && key !== undefined && (
        <Notice title="Whoever has this key is you" kind="warn">
          <code class="long">{key}</code> <CopyButton text={key} what="the private key" />
        </Notice>
      )}
    </div>
  )
}
