import { type ProofVerdict, proofLevels, type ValidProof } from '../../src/contract/verify.ts'
import { Hash } from '../parts/hash.tsx'
import { Notice } from '../parts/notice.tsx'
import { Wide } from '../parts/wide.tsx'

const means: Readonly<Record<(typeof proofLevels)[number], string>> = {
  consistent: 'Bytes, paths and signatures fit one another. Anybody can make such a file.',
  signed: 'A quorum of operators on your list agreed, at every stage, for a log on your list.',
  anchored: 'The certificate descends from blocks in your headers; it may still be replaced.',
  proven: 'The certificate itself is in a block in your headers.',
}

/** What a file proves, and to whom. */
export function Verdict({ verdict }: { readonly verdict: ProofVerdict }) {
  if (verdict.kind !== 'valid')
    return (
      <Notice
        title={
          verdict.kind === 'invalid'
            ? 'Invalid: it contradicts itself, or your headers'
            : 'Unreadable: this is no proof file'
        }
        kind="bad"
      >
        <p class="verdict-fault" data-level={verdict.kind}>
          {verdict.fault.detail}
        </p>
      </Notice>
    )
  return <Valid verdict={verdict} />
}

function Valid({ verdict }: { readonly verdict: ValidProof }) {
  const {
    level,
    shortfall,
    event,
    log,
    stages,
    versionId,
    certificateTxid,
    blockHeight,
    network,
    notChecked,
  } = verdict
  const reached = proofLevels.indexOf(level)
  return (
    <section class="card" aria-label="What it proves">
      <ol class="ladder" aria-label="Levels, weakest first">
        {proofLevels.map((each, i) => (
          <li
            key={each}
            class={i <= reached ? 'reached' : ''}
            aria-current={each === level ? 'step' : undefined}
          >
            {each}
          </li>
        ))}
      </ol>
      <div>
        <p class="verdict" data-level={level}>
          {level}
          {network === 'local' && <span class="quiet"> on a private chain</span>}
        </p>
        <p>{means[level]}</p>
        {shortfall !== null && <p class="quiet">Not higher, because {shortfall}.</p>}
      </div>
      <dl class="facts">
        <dt>Event</dt>
        <dd>
          <Hash value={event.eventId} name="the event's id" />, {event.outcome}
        </dd>
        <dt>Stream</dt>
        <dd>
          {event.stream.slice(event.stream.indexOf('/') + 1)}, partition {event.partition}, sequence{' '}
          {event.seq}
        </dd>
        <dt>Source</dt>
        <dd>{event.sourceId}</dd>
        <dt>Log</dt>
        <dd>
          <Hash value={log.key} name="the log's key" />{' '}
          <span class={`state ${log.listed ? 'good' : 'warn'}`}>
            {log.listed ? 'on your list' : 'not on your list'}
          </span>
        </dd>
        <dt>Version</dt>
        <dd>
          <Hash value={versionId} name="the version" />
        </dd>
        <dt>Certificate</dt>
        <dd>
          <Hash value={certificateTxid} name="the certificate's transaction" />
          {blockHeight !== null && `, block ${blockHeight}`}
        </dd>
      </dl>
      <Wide label="Who agreed">
        <table>
          <thead>
            <tr>
              <th scope="col">Stage</th>
              <th scope="col">Asked, answered</th>
              <th scope="col">Agreed, by operator</th>
              <th scope="col">Said otherwise</th>
            </tr>
          </thead>
          <tbody>
            {stages.map(({ stage, asked, given, agreeing, dissenting }) => (
              <tr key={stage}>
                <th scope="row">{stage}</th>
                <td>
                  {asked}, {given}
                </td>
                <td>
                  {agreeing.map(({ operator, agentKey, listed }) => (
                    <div key={agentKey}>
                      <Hash value={operator} name="the operator's key" />{' '}
                      {listed ? 'on your list' : 'not on your list'}
                    </div>
                  ))}
                </td>
                <td>{dissenting.length === 0 ? 'nobody' : dissenting.length}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
      <div>
        <h3>What this does not check</h3>
        <ul class="plain-list">
          {notChecked.map(each => (
            <li key={each}>{each}</li>
          ))}
        </ul>
      </div>
    </section>
  )
}
