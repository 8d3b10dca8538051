import { useEffect, useState } from 'preact/hooks'
import { type ProofVerdict, verifyProof } from '../../src/contract/verify.ts'
import { nodeUrl } from '../ask/ask.ts'
import { Notice } from '../parts/notice.tsx'
import type { PageProps } from '../shell/page-props.ts'
import { NodeSays } from './node-says.tsx'
import { readTrust, type TrustWritten } from './trust-lists.ts'
import { Verdict } from './verdict.tsx'

type Given = { readonly name: string; readonly text: string }

/** A proof is a few dozen kB; what is far more is none, and would only keep the page busy. */
const PROOF_BYTES_MAX = 16 * 1024 * 1024

/** A proof file, checked in this page. The node is asked nothing. */
export function VerifyPage({ place }: PageProps) {
  const [given, give] = useState<Given>()
  const [said, setSaid] = useState<string>()
  const [isOver, setOver] = useState(false)
  const [written, write] = useState<TrustWritten>({
    logs: '',
    operators: '',
    headers: undefined,
    allowLocal: false,
  })
  const change = (more: Partial<TrustWritten>) => write(before => ({ ...before, ...more }))
  const eventId = place.query.get('event')
  useEffect(() => {
    if (eventId === null || !/^[0-9a-f]{64}$/.test(eventId)) return
    fetchProof(eventId).then(give, error => setSaid(String(error.message ?? error)))
  }, [eventId])

  const take = async (file: File | undefined) => {
    if (file === undefined) return
    setSaid(undefined)
    const text = await textOf(file)
    if (text === undefined) {
      give(undefined)
      return setSaid(`${file.name} is no proof file: it is larger than ${PROOF_BYTES_MAX} bytes, or no text.`)
    }
    give({ name: file.name, text })
  }
  const read = readTrust(written)
  const verdict = given === undefined || 'wrong' in read ? undefined : judge(given.text, read.trust)

  return (
    <>
      <div class="page-head">
        <h1>Verify</h1>
      </div>
      <p class="lead">
        A proof file is checked here, in this page, by the verifier that <code>npm run verifier</code> makes.
        Nothing of it is sent anywhere, and no node is asked.
      </p>
      <label
        class={`drop ${isOver ? 'over' : ''}`}
        onDragOver={event => {
          event.preventDefault()
          setOver(true)
        }}
        onDragLeave={() => setOver(false)}
        onDrop={event => {
          event.preventDefault()
          setOver(false)
          void take(event.dataTransfer?.files[0])
        }}
      >
        <span>
          <strong>Drop a proof file here</strong>, or choose one
        </span>
        <input
          id="proof"
          type="file"
          accept=".json,application/json"
          onChange={({ currentTarget }) => void take(currentTarget.files?.[0])}
        />
        {given !== undefined && (
          <span class="quiet" role="status">
            Checked: {given.name}
          </span>
        )}
      </label>
      {said !== undefined && (
        <Notice title="It could not be checked" kind="bad">
          {said}
        </Notice>
      )}
      {given !== undefined && 'wrong' in read && (
        <Notice title="Not checked" kind="warn">
          {read.wrong}
        </Notice>
      )}
      <div aria-live="polite">{verdict !== undefined && <Verdict verdict={verdict} />}</div>
      <section class="card" aria-labelledby="trust">
        <h2 id="trust">Whose word counts for you</h2>
        <p class="quiet">
          Keys are free, so a file that fits together says nothing about who made it. List the logs and
          operators that you trust, one key a line; what follows a # is a remark.
        </p>
        <div class="two">
          <div>
            <label class="field-label" for="logs">
              Logs that you trust
            </label>
            <textarea
              id="logs"
              rows={4}
              spellcheck={false}
              value={written.logs}
              onInput={({ currentTarget }) => change({ logs: currentTarget.value })}
            />
          </div>
          <div>
            <label class="field-label" for="operators">
              Operators that you trust
            </label>
            <textarea
              id="operators"
              rows={4}
              spellcheck={false}
              value={written.operators}
              onInput={({ currentTarget }) => change({ operators: currentTarget.value })}
            />
          </div>
        </div>
        <div>
          <label class="field-label" for="headers">
            Block headers of your own (docs/verify.md says how a file of them looks)
          </label>
          <input
            id="headers"
            type="file"
            accept=".json,application/json"
            onChange={async ({ currentTarget }) =>
              change({ headers: await currentTarget.files?.[0]?.text() })
            }
          />
        </div>
        <label class="check">
          <input
            type="checkbox"
            checked={written.allowLocal}
            onChange={({ currentTarget }) => change({ allowLocal: currentTarget.checked })}
          />
          <span>The chain is my own private one: let its blocks count</span>
        </label>
        <NodeSays take={change} />
      </section>
    </>
  )
}

function judge(text: string, trust: Parameters<typeof verifyProof>[1]): ProofVerdict {
  return verifyProof(text, trust)
}

async function textOf(file: File): Promise<string | undefined> {
  if (file.size > PROOF_BYTES_MAX) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer())
  } catch {
    // Bytes that are no text: the caller says so.
    return undefined
  }
}

/** Only where somebody has come from an event and asked for it. */
async function fetchProof(eventId: string): Promise<Given> {
  const response = await fetch(nodeUrl(`/events/${eventId}/proof`), { credentials: 'omit' })
  if (!response.ok) throw new Error(`The node answered ${response.status} when it was asked for the proof.`)
  return { name: `the proof of ${eventId.slice(0, 12)}…, as this node gave it`, text: await response.text() }
}
