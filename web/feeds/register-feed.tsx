import { useState } from 'preact/hooks'
import type { Answer } from '../ask/ask.ts'
import { NoAnswer } from '../parts/notice.tsx'
import { askSigned } from '../sign-in/ask-signed.ts'
import type { Signer } from '../sign-in/identity.ts'
import { registered as registeredShape } from './shapes.ts'

export function RegisterFeed(props: {
  readonly signer: Signer
  registered(feedId: string, secret: string | null): void
}) {
  const [name, setName] = useState('')
  const [authentication, setAuthentication] = useState('hmac')
  const [audience, setAudience] = useState('public')
  const [refused, setRefused] = useState<Answer<unknown>>()
  const [isBusy, setBusy] = useState(false)
  const register = async (event: Event) => {
    event.preventDefault()
    setBusy(true)
    const answer = await askSigned(props.signer, '/publishers/feeds', registeredShape, {
      method: 'POST',
      body: {
        ...{ name: name.trim(), authentication },
        // Whoever registers it is its first reader.
        stream: audience === 'public' ? { audience } : { audience, readers: [props.signer.identityKey] },
      },
    })
    setBusy(false)
    if (answer.kind !== 'there') return setRefused(answer)
    setRefused(undefined)
    setName('')
    props.registered(answer.value.feed.feedId, answer.value.secret)
  }
  return (
    <section class="card" aria-labelledby="register">
      <h2 id="register">Register a feed</h2>
      <form class="fields" onSubmit={register}>
        <div>
          <label class="field-label" for="feed-name">
            Name
          </label>
          <input
            id="feed-name"
            type="text"
            maxLength={256}
            value={name}
            onInput={({ currentTarget }) => setName(currentTarget.value)}
          />
          <p class="field-hint">For people; the node makes an id of it, and a stream of the same name.</p>
        </div>
        <div class="two">
          <div>
            <label class="field-label" for="feed-authentication">
              What it sends is signed
            </label>
            <select
              id="feed-authentication"
              value={authentication}
              onChange={({ currentTarget }) => setAuthentication(currentTarget.value)}
            >
              <option value="hmac">with a secret (Standard Webhooks)</option>
              <option value="brc104">with an identity (BRC-104)</option>
            </select>
          </div>
          <div>
            <label class="field-label" for="feed-audience">
              Its stream is
            </label>
            <select
              id="feed-audience"
              value={audience}
              onChange={({ currentTarget }) => setAudience(currentTarget.value)}
            >
              <option value="public">for everybody</option>
              <option value="restricted">for you, and readers that you name</option>
            </select>
          </div>
        </div>
        <div class="row">
          <button type="submit" class="first" disabled={isBusy || name.trim() === ''}>
            Register
          </button>
        </div>
        {refused !== undefined && <NoAnswer answer={refused} what="It is not registered" />}
      </form>
    </section>
  )
}
