import type { ComponentChildren } from 'preact'
import { Hash } from '../parts/hash.tsx'
import { span, When } from '../parts/time.tsx'
import type { TracedStage } from './trace-shape.ts'
import { voteOf } from './vote.ts'

/** One step of the way, reached or not. */
export function Step(props: {
  readonly stage: string
  readonly title: string
  readonly atMs: number | null | undefined
  readonly pending: string
  readonly children?: ComponentChildren
}) {
  const { stage, title, atMs, pending, children } = props
  const isThere = children !== undefined && children !== null && children !== false
  return (
    <li class={`step ${stage} ${isThere ? 'there' : ''}`}>
      <div class="step-head">
        <h2>{title}</h2>
        {isThere && atMs !== undefined && <When ms={atMs} />}
      </div>
      {isThere ? <div class="step-body">{children}</div> : <p class="unknown">{pending}</p>}
    </li>
  )
}

const levels: Readonly<Record<string, string>> = {
  basic: 'basic',
  enhanced: 'enhanced',
  critical: 'critical',
}

/** Who was asked at a stage, and who said what. */
export function Votes({ stage, names }: { readonly stage: TracedStage; readonly names: OperatorNames }) {
  const { quorum, seats, status, job } = stage
  return (
    <div class="votes">
      <p>
        {status === 'agreed' ? (
          <>
            <strong>
              {quorum.agreeing} of {quorum.of} operators agreed
            </strong>
            ; {quorum.wanted} were wanted at level {levels[quorum.level] ?? quorum.level}.
          </>
        ) : (
          <>
            <strong>{status === 'asked' ? 'Asked; nothing is agreed yet' : 'Nothing was agreed'}</strong>:{' '}
            {quorum.wanted} of {quorum.of} operators are wanted at level {quorum.level}.
          </>
        )}{' '}
        {quorum.independence === 'simulated' && (
          <span class="state warn" title="These operators are one person's, as npm start runs them">
            operators simulated
          </span>
        )}
      </p>
      <ul class="vote-list">
        {seats.map(seat => {
          const vote = voteOf(seat, stage)
          return (
            <li key={seat.jobId} class={`vote ${vote.tone}`}>
              <span class="vote-said">{vote.said}</span>
              <span class="vote-who">
                operator {names.nameOf(seat.operator)}{' '}
                <Hash value={seat.operator} name="the operator's key" />
              </span>
              <span class="vote-who">
                agent <Hash value={seat.agentId} name="the agent's key" />
              </span>
              <span class="vote-leaf">
                {vote.leaf === null ? (
                  <span class="quiet">no answer</span>
                ) : (
                  <>
                    answer <Hash value={vote.leaf} name="its answer" />
                  </>
                )}
              </span>
              <span class="vote-took">
                {vote.tookMs === null ? (
                  ''
                ) : (
                  <span title="from offer to arrival, as seen by this node">{span(vote.tookMs)}</span>
                )}
              </span>
            </li>
          )
        })}
      </ul>
      <p class="source">
        Job <Hash value={job.txid} name="the job's transaction" />
        {job.rebuild > 0 && ` (asked again ${job.rebuild} times)`}; every answer is signed, and stands in a
        transaction of its own.
      </p>
    </div>
  )
}

export type OperatorNames = { nameOf(operator: string): string }

/** Operators have keys and no names; on one page each is a letter. */
export function operatorNames(stages: readonly (TracedStage | null)[]): OperatorNames {
  const keys = stages.flatMap(stage => stage?.seats.map(({ operator }) => operator) ?? [])
  const known = [...new Set(keys)].sort()
  return {
    nameOf(operator) {
      const at = known.indexOf(operator)
      return at === -1 || at >= 26 ? '' : String.fromCharCode(65 + at)
    },
  }
}
