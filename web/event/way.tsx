import type { Read } from '../ask/shapes.ts'
import { Hash } from '../parts/hash.tsx'
import { Json } from '../parts/json.tsx'
import { Notice } from '../parts/notice.tsx'
import { Commands } from './commands.tsx'
import { Judgement, Payloads, Transformations } from './explanation.tsx'
import { operatorNames, Step, Votes } from './stage-card.tsx'
import type { eventShape, Trace } from './trace-shape.ts'

type Event = Read<typeof eventShape>

/** The way of an event, stage by stage, each with what is on record of it. */
export function Way({ trace, event }: { readonly trace: Trace; readonly event: Event | undefined }) {
  const { raw, sealed, normalized, validated, certified, anchored, proven, rounds, conflicts } = trace
  const names = operatorNames([normalized, validated, certified])
  const certificate = anchored?.certificate ?? null
  return (
    <section class="card" aria-label="From raw to proven">
      <ol class="way">
        <Step stage="received" title="Received" atMs={raw.ingestTimeMs} pending="">
          <Payloads raw={event?.raw} normalized={event?.normalized} />
          <dl class="facts">
            <dt>Came through</dt>
            <dd>
              {raw.connectorId ?? <span class="unknown">not known</span>}, signed:{' '}
              {raw.authenticated === 'none'
                ? 'no'
                : (raw.authenticated ?? <span class="unknown">not yet known</span>)}
            </dd>
            <dt>Marked</dt>
            <dd>{raw.qualityFlagNames.length === 0 ? 'nothing' : raw.qualityFlagNames.join(', ')}</dd>
            <dt>Hash of the payload</dt>
            <dd>
              <Hash value={raw.payloadHash} name="the hash of the payload" />
            </dd>
          </dl>
        </Step>
        <Step
          stage="received"
          title="Sealed in a packet"
          atMs={sealed?.sealedMs}
          pending="Not yet: it waits for its packet to end."
        >
          {sealed !== null && (
            <dl class="facts">
              <dt>Packet</dt>
              <dd>
                number {sealed.packetNo}, <Hash value={sealed.packetId} name="the packet's id" />
              </dd>
              <dt>Place</dt>
              <dd>
                line {sealed.index + 1} of {sealed.count}; the packet ended by {sealed.because}
              </dd>
              <dt>Merkle root</dt>
              <dd>
                <Hash value={sealed.root} name="the Merkle root" />
              </dd>
            </dl>
          )}
        </Step>
        <Step
          stage="normalized"
          title="Normalized"
          atMs={normalized?.decidedMs}
          pending="Not yet: nobody was asked for its normal form."
        >
          {normalized !== null && (
            <>
              <Votes stage={normalized} names={names} />
              <h3>What the policy did</h3>
              <Transformations steps={normalized.transformations} />
            </>
          )}
        </Step>
        <Step stage="validated" title="Validated" atMs={validated?.decidedMs} pending="Not yet.">
          {validated !== null && (
            <>
              <Votes stage={validated} names={names} />
              <h3>What its rules say</h3>
              <Judgement verdict={validated.verdict} issues={validated.issues} rules={validated.rules} />
            </>
          )}
        </Step>
        <Step stage="certified" title="Certified" atMs={certified?.certifiedMs} pending="Not yet.">
          {certified !== null && (
            <>
              <Votes stage={certified} names={names} />
              <dl class="facts">
                <dt>Version</dt>
                <dd>
                  <Hash value={certified.versionId} name="the version" />
                </dd>
                <dt>Content hash</dt>
                <dd>
                  <Hash value={certified.contentHash} name="the content hash" />
                </dd>
              </dl>
              {certified.manifest !== null && (
                <details>
                  <summary>The manifest that the certificate commits to</summary>
                  <Json value={certified.manifest} label="The manifest" />
                </details>
              )}
            </>
          )}
        </Step>
        <Step
          stage="anchored"
          title="Anchored"
          atMs={certificate?.anchoredMs}
          pending="Not yet: the network does not have its certificate."
        >
          {certificate !== null && (
            <dl class="facts">
              <dt>Certificate</dt>
              <dd>
                <Hash value={certificate.txid} name="the certificate's transaction" /> output{' '}
                {certificate.vout}
              </dd>
            </dl>
          )}
        </Step>
        <Step
          stage="proven"
          title="Proven"
          atMs={proven?.provenMs}
          pending="Not yet: no block has its certificate."
        >
          {proven !== null && (
            <dl class="facts">
              <dt>Block</dt>
              <dd>
                {proven.blockHeight}, <Hash value={proven.blockHash} name="the block's hash" />
              </dd>
              <dt>Confirmations</dt>
              <dd>
                {proven.confirmations ?? <span class="unknown">its block is not in the best chain now</span>}
                {trace.network === 'local' && (
                  <span class="quiet"> on a private chain, without economic finality</span>
                )}
              </dd>
            </dl>
          )}
        </Step>
      </ol>
      {rounds.length > 1 && (
        <p class="quiet">
          Its packet was in {rounds.length} rounds; what is shown is the last one of each stage.
        </p>
      )}
      {conflicts.length > 0 && (
        <Notice title="Agents did not all say the same" kind="warn">
          <a href="#/conflicts">Conflicts</a> has what stands and who dissented.
        </Notice>
      )}
      <Commands eventId={trace.eventId} log={trace.log} />
      <p class="source">
        From /events/…/trace and /events/…. Times are this node's: no token carries one. Operators are called
        A, B, … on this page alone.
      </p>
    </section>
  )
}
