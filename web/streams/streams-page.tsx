import { useState } from 'preact/hooks'
import type { Answer } from '../ask/ask.ts'
import { changedStream, type Stream, streams } from '../feeds/shapes.ts'
import { Usage } from '../feeds/usage.tsx'
import { Hash } from '../parts/hash.tsx'
import { NoAnswer } from '../parts/notice.tsx'
import { askSigned, useSigned } from '../sign-in/ask-signed.ts'
import type { Signer } from '../sign-in/identity.ts'
import { SignedIn } from '../sign-in/sign-in.tsx'
import { Changes } from './changes.tsx'
import { PolicyDesk } from './policy-desk.tsx'
import { Readers } from './readers.tsx'

/** What is published, to whom, and by which rules: of whoever has signed in. */
export function StreamsPage() {
  return (
    <>
      <div class="page-head">
        <h1>Streams and policies</h1>
      </div>
      <p class="lead">
        A stream's policy says how its events are brought into form, and what they are checked by. Agents do
        the same work by it, so it is tried before it holds.
      </p>
      <SignedIn>{signer => <Streams signer={signer} />}</SignedIn>
    </>
  )
}

function Streams({ signer }: { readonly signer: Signer }) {
  const { answer, again } = useSigned(signer, '/publishers/streams?limit=100', streams)
  if (answer === undefined) return <p class="quiet">Loading…</p>
  if (answer.kind !== 'there') return <NoAnswer answer={answer} what="Your streams" />
  const { streams: own, nextAfter } = answer.value
  return (
    <>
      {own.length === 0 && (
        <p class="card quiet">
          You have no stream yet. <a href="#/feeds">Register a feed</a>, and there is one of the same name.
        </p>
      )}
      {own.map(stream => (
        <StreamCard key={stream.streamId} stream={stream} signer={signer} changed={again} />
      ))}
      {own.length > 0 && <Changes signer={signer} />}
      <p class="source">From /publishers/streams{nextAfter !== null && '; only the first 100 are listed'}.</p>
    </>
  )
}

const levels = ['basic', 'enhanced', 'critical'] as const

function StreamCard(props: { readonly stream: Stream; readonly signer: Signer; changed(): void }) {
  const { stream, signer, changed } = props
  const { streamId, version, published, isYours, policyByDefault, policyNumber } = stream
  const [refused, setRefused] = useState<Answer<unknown>>()
  const [isOpen, open] = useState(false)
  const heading = `stream-${streamId}`
  const change = async (members: object) => {
    const answer = await askSigned(
      signer,
      `/publishers/streams/${encodeURIComponent(streamId)}`,
      changedStream,
      {
        method: 'PATCH',
        body: { version, ...members },
      },
    )
    setRefused(answer.kind === 'there' ? undefined : answer)
    changed()
    return answer.kind === 'there'
  }
  return (
    <section class="card" aria-labelledby={heading}>
      <div class="card-head">
        <h2 id={heading}>{streamId}</h2>
        <span class={`state ${published ? 'good' : 'warn'}`}>
          {published ? 'published' : 'not published'}
        </span>
      </div>
      <dl class="facts">
        <dt>For</dt>
        <dd>{stream.audience === 'public' ? 'everybody' : 'readers that it names'}</dd>
        <dt>Certified at</dt>
        <dd>{stream.level}</dd>
        <dt>Written by</dt>
        <dd>{stream.feeds.length === 0 ? 'no feed of yours' : stream.feeds.join(', ')}</dd>
        <dt>Policy</dt>
        <dd>
          {policyByDefault ? 'by default: taken as sent' : `version ${policyNumber}`}{' '}
          <Hash value={stream.policyDigest} name="the policy's digest" />
        </dd>
      </dl>
      {isYours ? (
        <>
          <div class="row">
            <button type="button" class="first" aria-expanded={isOpen} onClick={() => open(!isOpen)}>
              {isOpen ? 'Close the policy' : 'Change the policy'}
            </button>
            <button type="button" onClick={() => void change({ published: !published })}>
              {published ? 'Do not publish it' : 'Publish it'}
            </button>
            <label class="inline">
              Level{' '}
              <select
                value={stream.level}
                onChange={({ currentTarget }) => void change({ level: currentTarget.value })}
              >
                {levels.map(level => (
                  <option key={level} value={level}>
                    {level}
                  </option>
                ))}
              </select>
            </label>
          </div>
          {refused !== undefined && <NoAnswer answer={refused} what="It was not changed" />}
          {stream.audience === 'restricted' && (
            <Readers stream={stream} signer={signer} change={readers => change({ readers })} />
          )}
          {isOpen && <PolicyDesk stream={stream} signer={signer} changed={changed} />}
        </>
      ) : (
        <p class="quiet">
          It belongs to this node's operator, and is shown because a feed of yours writes to it.
        </p>
      )}
      <Usage signer={signer} path={`/publishers/streams/${encodeURIComponent(streamId)}/usage`} />
    </section>
  )
}
