import { useEffect, useState } from 'preact/hooks'
import type { Answer } from '../ask/ask.ts'
import { changedStream, difference, policies, policyVersion, type Stream } from '../feeds/shapes.ts'
import { Json } from '../parts/json.tsx'
import { NoAnswer, Notice } from '../parts/notice.tsx'
import { When } from '../parts/time.tsx'
import { askSigned, useSigned } from '../sign-in/ask-signed.ts'
import type { Signer } from '../sign-in/identity.ts'
import { DryRunShown } from './dry-run-shown.tsx'
import { useTried } from './use-tried.ts'

const POLICY_CHARS_MAX = 200_000
const titles = {
  again: 'It is tried again soon',
  'given-up': 'It could not be tried',
  refused: 'It cannot be a policy',
}
/** Changes nothing, and shows where changes go. */
const BEGINNING = { v: 1, sources: { '*': {} } }

/** A policy in writing, tried all the time on what came last or on a sample, and put in force when it is good. */
export function PolicyDesk(props: { readonly stream: Stream; readonly signer: Signer; changed(): void }) {
  const { stream, signer, changed } = props
  const path = `/publishers/streams/${encodeURIComponent(stream.streamId)}/policies`
  const [text, setText] = useState<string>()
  const [sample, setSample] = useState('')
  const [said, setSaid] = useState<Answer<unknown> | 'in-force'>()
  const current = useSigned(
    signer,
    stream.policyNumber > 0 ? `${path}/${stream.policyNumber}` : null,
    policyVersion,
  )
  const inForce = current.answer?.kind === 'there' ? current.answer.value.own : undefined

  useEffect(() => {
    const isKnown = inForce !== undefined
    if (!isKnown && stream.policyNumber > 0 && current.answer?.kind !== 'refused') return
    // Whoever has begun to write meanwhile goes on with that.
    setText(typed => typed ?? JSON.stringify(inForce ?? BEGINNING, undefined, 2))
  }, [inForce, stream.policyNumber, current.answer])

  const policy = readJson(text ?? '')
  const samples = sample.trim() === '' ? undefined : readJson(sample)
  const body =
    policy === undefined || (sample.trim() !== '' && samples === undefined)
      ? undefined
      : JSON.stringify({
          policy: policy.value,
          ...(samples === undefined
            ? { recent: 5 }
            : { samples: Array.isArray(samples.value) ? samples.value : [samples.value] }),
        })
  const tried = useTried(signer, `${path}/dry-run`, body)
  const isTried = tried !== undefined && tried.body === body

  const activate = async (where: string, members: object) => {
    const answer = await askSigned(signer, where, changedStream, {
      method: 'POST',
      body: { version: stream.version, ...members },
    })
    setSaid(answer.kind === 'there' ? 'in-force' : answer)
    changed()
  }
  const id = `policy-${stream.streamId}`
  return (
    <div class="fields">
      <div class="two">
        <div>
          <label class="field-label" for={id}>
            Policy, as docs/policies.md has it
          </label>
          <textarea
            id={id}
            rows={16}
            maxLength={POLICY_CHARS_MAX}
            spellcheck={false}
            value={text ?? ''}
            aria-invalid={policy === undefined}
            onInput={({ currentTarget }) => {
              setText(currentTarget.value)
              setSaid(undefined)
            }}
          />
          <p class="field-hint" role="status">
            {policy === undefined
              ? 'This is no JSON yet, so it is not tried.'
              : body === undefined
                ? 'The payload below is no JSON yet, so it is not tried.'
                : isTried && tried.inVain !== 'again'
                  ? 'Tried as it stands here.'
                  : 'It is being tried.'}
          </p>
          <label class="field-label" for={`${id}-sample`}>
            Try it on this payload, or a list of them; without one, on the five that came last
          </label>
          <textarea
            id={`${id}-sample`}
            rows={4}
            spellcheck={false}
            value={sample}
            placeholder='{"celsius": "21.5"}'
            onInput={({ currentTarget }) => setSample(currentTarget.value)}
          />
        </div>
        <div aria-live="polite">
          <h3>What it would do</h3>
          {tried === undefined ? (
            <p class="quiet">Not tried yet.</p>
          ) : tried.answer.kind === 'there' ? (
            <DryRunShown result={tried.answer.value} />
          ) : (
            <NoAnswer answer={tried.answer} what={titles[tried.inVain ?? 'refused']} />
          )}
        </div>
      </div>
      <div class="row">
        <button
          type="button"
          class="first"
          disabled={!isTried || tried.answer.kind !== 'there'}
          onClick={() => void activate(path, { policy: policy?.value ?? null })}
        >
          Put it in force
        </button>
      </div>
      {said === 'in-force' && (
        <Notice title="It is in force from the next packet on" kind="good">
          Packets that have ended keep the policy that they ended under.
        </Notice>
      )}
      {said !== undefined && said !== 'in-force' && <NoAnswer answer={said} what="It was not put in force" />}
      <Versions
        path={path}
        signer={signer}
        stream={stream}
        back={to => void activate(`${path}/rollback`, { to })}
      />
    </div>
  )
}

function Versions(props: {
  readonly path: string
  readonly signer: Signer
  readonly stream: Stream
  back(to: number): void
}) {
  const { path, signer, stream, back } = props
  // Another policy in force is another list.
  const { answer } = useSigned(signer, `${path}?limit=20&before=${stream.policyNumber + 1_000_000}`, policies)
  const [shown, setShown] = useState<{ readonly number: number; readonly changes: unknown }>()
  if (answer === undefined) return null
  if (answer.kind !== 'there') return <NoAnswer answer={answer} what="Earlier versions" />
  const compare = async (number: number) => {
    const found = await askSigned(signer, `${path}/diff?from=${number}&to=${stream.policyNumber}`, difference)
    setShown({ number, changes: found.kind === 'there' ? found.value.changes : found.why })
  }
  return (
    <div class="fields">
      <h3>Versions</h3>
      <ul class="versions numbered">
        {answer.value.versions.map(({ number, at, by, isInForce }) => (
          <li key={number}>
            <span>
              Version {number} {isInForce && <span class="state good">in force</span>}
            </span>
            <span class="quiet">
              {at !== null && <When ms={Date.parse(at)} />} by{' '}
              {by === 'operator' ? 'the operator' : `${by.slice(0, 10)}…`}
            </span>
            {!isInForce && (
              <span class="row">
                <button type="button" onClick={() => void compare(number)}>
                  Compare
                </button>
                <button type="button" onClick={() => back(number)}>
                  Back to {number}
                </button>
              </span>
            )}
          </li>
        ))}
      </ul>
      {shown !== undefined && (
        <Json value={shown.changes} label={`What has changed since version ${shown.number}`} />
      )}
    </div>
  )
}

function readJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) }
  } catch {
    // Half typed; it is said beside it.
    return undefined
  }
}
