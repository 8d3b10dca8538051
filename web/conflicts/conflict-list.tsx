import { useState } from 'preact/hooks'
import { ask } from '../ask/ask.ts'
import { anything, flag, list, number, object, orNull, type Read, text } from '../ask/shapes.ts'
import { useAnswer } from '../ask/use-answer.ts'
import { Hash } from '../parts/hash.tsx'
import { Json } from '../parts/json.tsx'
import { NoAnswer } from '../parts/notice.tsx'
import { State } from '../parts/state.tsx'
import { When } from '../parts/time.tsx'

const conflictShape = object({
  conflictId: text,
  packetId: text,
  streamId: text,
  partition: number,
  packetNo: number,
  stage: text,
  level: text,
  decision: text,
  reason: text,
  decidedMs: number,
  votes: list(object({ agentId: text, operator: text, status: text, leaf: orNull(text), agrees: flag })),
  packet: object({ state: text, versionId: orNull(text) }),
})
type Conflict = Read<typeof conflictShape>
const shape = object({ items: list(conflictShape), nextCursor: orNull(text) })
const differenceShape = object({ difference: anything })

const LOOK_MS = 5_000

export function ConflictList() {
  const { answer, known } = useAnswer('/conflicts?limit=30', shape, LOOK_MS)
  return (
    <section class="card" aria-labelledby="conflicts">
      <h2 id="conflicts">Conflicts</h2>
      {known === undefined ? (
        answer === undefined ? (
          <p class="quiet">Loading…</p>
        ) : (
          <NoAnswer answer={answer} what="Conflicts" />
        )
      ) : known.items.length === 0 ? (
        <p class="quiet">None on record: wherever a quorum was reached, all who answered said the same.</p>
      ) : (
        <ul class="conflicts">
          {known.items.map(conflict => (
            <One key={conflict.conflictId} conflict={conflict} />
          ))}
        </ul>
      )}
      <p class="source">
        From /conflicts, the newest first, of streams that everybody may read.
        {known?.nextCursor != null && ' There are older ones.'}
      </p>
    </section>
  )
}

const decisions: Readonly<Record<string, string>> = {
  agreed: 'a quorum agreed all the same',
  retried: 'it was asked again',
  split: 'no quorum agreed: split',
}

function One({ conflict }: { readonly conflict: Conflict }) {
  const { streamId, partition, packetNo, stage, decision, reason, decidedMs, votes, packet, packetId } =
    conflict
  return (
    <li>
      <div class="card-head">
        <h3>
          {streamId}, partition {partition}, packet {packetNo}{' '}
          <Hash value={packetId} name="the packet's id" />
        </h3>
        <State state={packet.state} />
      </div>
      <p>
        At <strong>{stage}</strong>, <When ms={decidedMs} />: {decisions[decision] ?? decision}.{' '}
        <span class="quiet">{reason}</span>
      </p>
      <ul class="vote-list">
        {votes.map(({ agentId, operator, status, leaf, agrees }) => (
          <li key={agentId} class={`vote ${agrees ? 'good' : decision === 'agreed' ? 'bad' : 'warn'}`}>
            <span class="vote-said">
              {agrees
                ? 'with the quorum'
                : status !== 'completed'
                  ? status
                  : decision === 'agreed'
                    ? 'dissented'
                    : 'answered'}
            </span>
            <span class="vote-who">
              operator <Hash value={operator} name="the operator's key" />
            </span>
            <span class="vote-who">
              agent <Hash value={agentId} name="the agent's key" />
            </span>
            <span class="vote-leaf">
              answer{' '}
              {leaf === null ? <span class="quiet">none</span> : <Hash value={leaf} name="its answer" />}
            </span>
            <span />
          </li>
        ))}
      </ul>
      <Difference conflictId={conflict.conflictId} />
    </li>
  )
}

function Difference({ conflictId }: { readonly conflictId: string }) {
  const [shown, setShown] = useState<{ readonly difference: unknown } | string>()
  const look = async () => {
    const answer = await ask(`/conflicts/${conflictId}/difference`, differenceShape)
    setShown(answer.kind === 'there' ? answer.value : answer.why)
  }
  if (shown === undefined)
    return (
      <p>
        <button type="button" onClick={look}>
          Where do they part?
        </button>
      </p>
    )
  return typeof shown === 'string' ? (
    <p class="quiet">{shown}</p>
  ) : (
    <Json value={shown.difference} label="Where the answers part" />
  )
}
