import { useState } from 'preact/hooks'
import { type Answer, nodeUrl } from '../ask/ask.ts'
import { Command, CopyButton } from '../parts/copy.tsx'
import { NoAnswer, Notice } from '../parts/notice.tsx'
import { When } from '../parts/time.tsx'
import { askSigned } from '../sign-in/ask-signed.ts'
import type { Signer } from '../sign-in/identity.ts'
import { LastHeard } from './last-heard.tsx'
import { postCommand } from './post-command.ts'
import { changedFeed, type Feed, revoked, rotated } from './shapes.ts'
import { Usage } from './usage.tsx'

/** So long the old key holds beside the new one. */
const overlaps = [
  { seconds: 86_400, said: 'a day' },
  { seconds: 3_600, said: 'an hour' },
  { seconds: 0, said: 'no longer' },
] as const

export function FeedCard(props: {
  readonly feed: Feed
  readonly signer: Signer
  readonly secret: string | undefined
  changed(feedId: string, secret: string | null): void
}) {
  const { feed, signer, secret, changed } = props
  const { feedId, version, enabled, authentication } = feed
  const [refused, setRefused] = useState<Answer<unknown>>()
  const [allowlist, setAllowlist] = useState(feed.allowlist.join('\n'))
  const heading = `feed-${feedId}`

  const change = async (members: object) => {
    const answer = await askSigned(signer, `/publishers/feeds/${encodeURIComponent(feedId)}`, changedFeed, {
      method: 'PATCH',
      body: { version, ...members },
    })
    setRefused(answer.kind === 'there' ? undefined : answer)
    // Also where somebody else was quicker: then it is shown as it is now.
    changed(feedId, answer.kind === 'there' ? answer.value.secret : null)
  }
  const cidrs = allowlist
    .split(/[\s,]+/)
    .map(each => each.trim())
    .filter(each => each !== '')
  return (
    <section class="card feed" aria-labelledby={heading}>
      <div class="card-head">
        <h2 id={heading}>{feed.name}</h2>
        <span class={`state ${enabled ? 'good' : 'warn'}`}>{enabled ? 'takes events' : 'switched off'}</span>
      </div>
      <dl class="facts">
        <dt>Feed</dt>
        <dd>
          <code>{feedId}</code>
        </dd>
        <dt>Writes to</dt>
        <dd>{feed.streams.length === 0 ? 'no stream' : feed.streams.join(', ')}</dd>
        <dt>Signed</dt>
        <dd>{authentication === 'none' ? 'not at all' : authentication}</dd>
        <dt>Last heard of</dt>
        <dd>
          <LastHeard feed={feed} signer={signer} />
        </dd>
      </dl>
      {secret !== undefined && (
        <Notice title="Its secret, shown this once" kind="good">
          <code class="long" data-secret={feedId}>
            {secret}
          </code>{' '}
          <CopyButton text={secret} what="the secret" />
          <p>The node keeps it sealed and shows it to nobody. It is in this page until you leave it.</p>
        </Notice>
      )}
      <div>
        <h3>Send an event</h3>
        <Command
          text={postCommand(nodeUrl(feed.post), authentication, secret)}
          what="the commands to send an event"
        />
      </div>
      {authentication === 'hmac' && <Keys feed={feed} signer={signer} changed={changed} />}
      <details>
        <summary>Where it may send from, and whether it may</summary>
        <div class="fields">
          <div>
            <label class="field-label" for={`allowlist-${feedId}`}>
              Networks, one a line; none of them: anywhere
            </label>
            <textarea
              id={`allowlist-${feedId}`}
              rows={3}
              spellcheck={false}
              value={allowlist}
              placeholder="192.0.2.0/24"
              onInput={({ currentTarget }) => setAllowlist(currentTarget.value)}
            />
          </div>
          <div class="row">
            <button type="button" onClick={() => void change({ allowlist: cidrs })}>
              Keep these networks
            </button>
            <button type="button" onClick={() => void change({ enabled: !enabled })}>
              {enabled ? 'Switch it off' : 'Switch it on'}
            </button>
          </div>
        </div>
      </details>
      <Usage signer={signer} path={`/publishers/feeds/${encodeURIComponent(feedId)}/usage`} />
      {refused !== undefined && <NoAnswer answer={refused} what="It was not changed" />}
    </section>
  )
}

function Keys({
  feed,
  signer,
  changed,
}: {
  readonly feed: Feed
  readonly signer: Signer
  changed(feedId: string, secret: string | null): void
}) {
  const { feedId, keys } = feed
  const [overlap, setOverlap] = useState<number>(overlaps[0].seconds)
  const [refused, setRefused] = useState<Answer<unknown>>()
  const rotate = async () => {
    const answer = await askSigned(signer, '/ingest/keys', rotated, {
      method: 'POST',
      body: { feedId, overlapSeconds: overlap },
    })
    setRefused(answer.kind === 'there' ? undefined : answer)
    changed(feedId, answer.kind === 'there' ? answer.value.secret : null)
  }
  const revoke = async (number: number) => {
    const path = `/ingest/keys/${encodeURIComponent(feedId)}/${number}`
    const answer = await askSigned(signer, path, revoked, { method: 'DELETE' })
    setRefused(answer.kind === 'there' ? undefined : answer)
    changed(feedId, null)
  }
  return (
    <div class="fields">
      <h3>Keys</h3>
      <ul class="versions numbered" aria-label={`Keys of ${feed.name}`}>
        {keys.map(({ number, status, createdAt, endsAt, revokedAt }) => (
          <li key={number}>
            <span>
              Key {number}{' '}
              <span class={`state ${status === 'active' ? 'good' : status === 'ending' ? 'warn' : ''}`}>
                {status}
              </span>
            </span>
            <span class="quiet">
              since <When ms={Date.parse(createdAt)} />, until{' '}
              {(revokedAt ?? endsAt) === null ? (
                'it is replaced'
              ) : (
                <When ms={Date.parse(revokedAt ?? endsAt ?? '')} />
              )}
            </span>
            {(status === 'active' || status === 'ending') && (
              <button type="button" onClick={() => void revoke(number)} aria-label={`Revoke key ${number}`}>
                Revoke
              </button>
            )}
          </li>
        ))}
      </ul>
      <div class="row">
        <button type="button" onClick={rotate}>
          Make a new key
        </button>
        <label class="inline">
          and let the old one hold for{' '}
          <select
            value={String(overlap)}
            onChange={({ currentTarget }) => setOverlap(Number(currentTarget.value))}
          >
            {overlaps.map(({ seconds, said }) => (
              <option key={seconds} value={String(seconds)}>
                {said}
              </option>
            ))}
          </select>
        </label>
      </div>
      {refused !== undefined && <NoAnswer answer={refused} what="The keys are as they were" />}
    </div>
  )
}
