import { FINDINGS_LISTED_MAX, openAudit } from '../../contract/audit/audit.ts'
import type { AuditState } from '../../contract/audit/audit-state.ts'
import { type Finding, inWords } from '../../contract/audit/findings.ts'
import { alwaysOpen, type ProofLevel, proofLevels, type Trust } from '../../contract/verify.ts'
import { FaultError, orThrow } from '../../core/fault.ts'
import { errorCode } from '../../runtime/error-code.ts'
import { NodeSilent } from '../export/node-source.ts'
import { showProgress } from '../export/progress.ts'
import { AnotherExport, type Place, recordsFrom, type Whence } from './all-records.ts'
import { keep, readKept } from './all-state.ts'
import { visible } from './visible.ts'

export type AskedAll = {
  readonly from: Whence
  readonly required: ProofLevel
  readonly stateFile: string | undefined
  readonly progress: boolean
  readonly json: boolean
}

/**
 * Exit codes: 0 nothing is wrong and certified packets reach the level, 1 something is wrong, 2 unreadable or not whole, 3 below the level or
 * not all of it could be checked, 4 certificates that do not stand any more.
 */
export async function verifyAll(
  asked: AskedAll,
  trust: Trust,
  complain: (why: string) => number,
): Promise<number> {
  try {
    const state = await lookAtAll(asked, trust, found => {
      if (!asked.json) for (const each of found) console.log(visible(inWords(each)))
    })
    const code = exitCodeOf(state, asked.required)
    const lines = asked.json
      ? JSON.stringify(asJson(state, code), undefined, 2).split('\n')
      : verdictOf(state, asked)
    console.log(lines.map(visible).join('\n'))
    return code
  } catch (error) {
    if (error instanceof FaultError) return complain(error.fault.detail)
    if (error instanceof NodeSilent || error instanceof AnotherExport) return complain(error.message)
    if (error instanceof Error && errorCode(error) !== undefined) return complain(error.message)
    throw error
  }
}

/** A state is kept about so often. */
const KEPT_MS = 2_000

async function lookAtAll(
  { from, stateFile, progress }: AskedAll,
  trust: Trust,
  onFound: (found: readonly Finding[]) => void,
): Promise<AuditState> {
  const before = stateFile === undefined ? undefined : await readKept(stateFile, from, trust)
  const isDone = before?.audit.isWhole === true
  // A node may say something else by now; of a file it is seen that it is still the same.
  const kept = isDone && 'node' in from ? undefined : before
  if (kept !== undefined) onFound(kept.audit.findings)
  const audit = openAudit(trust, kept?.audit)
  const shown = showProgress('checked', progress)
  // What a page's packets need is given at its beginning: who goes on reads that again, and takes no packet twice.
  let page = kept?.place
  let reached = kept?.reached ?? null
  let ahead = 0
  let skip = kept?.ahead ?? 0
  let writtenMs = Date.now()
  const keepIt = async () => {
    if (stateFile !== undefined && page !== undefined)
      await keep(stateFile, { place: page, reached, ahead, audit: audit.state() }, from, trust)
    writtenMs = Date.now()
  }
  try {
    for await (const { record, place } of recordsFrom(from, kept)) {
      if (audit.state().isWhole && place === undefined) continue
      const isKnown = record.kind === 'packet' && skip > 0
      if (isKnown) skip -= 1
      else onFound(orThrow(audit.take(record)))
      shown.saw(record)
      if (record.kind === 'packet') ahead += 1
      reached = place?.file ?? reached
      if (place !== undefined && isPageEnd(place)) [page, ahead] = [place, 0]
      if (!isKnown && record.kind === 'packet' && Date.now() - writtenMs >= KEPT_MS) await keepIt()
    }
  } finally {
    // Where it was cut off before it was where it had been, the state stays as it is.
    if (skip === 0) await keepIt()
    shown.end()
  }
  return audit.state()
}

function isPageEnd({ cursor }: Place): boolean {
  return cursor.opening !== null && cursor.height === null && cursor.given.length === 0
}

function exitCodeOf(state: AuditState, required: ProofLevel): 0 | 1 | 2 | 3 | 4 {
  const { findings, isWhole, found, level, open } = state
  if (findings.length > 0) return 1
  if (!isWhole) return 2
  if (found.revoked > 0 || found.superseded > 0) return 4
  const reached = proofLevels.indexOf(level ?? 'consistent') >= proofLevels.indexOf(required)
  return reached && open.length === 0 ? 0 : 3
}

function verdictOf(state: AuditState, { from }: AskedAll): string[] {
  const { found, findings, findingsMore, level, shortfall, isWhole, opening } = state
  const wrong = findings.length + findingsMore
  const network = opening?.network === 'local' ? ' (on a private chain)' : ''
  const partitions = opening?.partitions.length ?? 0
  const of = [
    counted(partitions, 'partition'),
    counted(found.packets, 'packet'),
    counted(found.events, 'event'),
  ].join(', ')
  return [
    ...(findingsMore > 0 ? [`and ${findingsMore} findings beyond the first ${FINDINGS_LISTED_MAX}`] : []),
    ...(isWhole ? [] : [`NOT WHOLE: the export ends before its end; assay export goes on with it`]),
    wrong > 0
      ? `INVALID${network}: ${counted(wrong, 'finding')} in ${of}`
      : `${(level ?? 'consistent').toUpperCase()}${network}: ${of}; nothing is wrong`,
    ...(wrong > 0 || shortfall === null ? [] : [`  not higher, because ${shortfall}`]),
    `  certified    ${found.certified} events`,
    `  split        ${found.split} events`,
    `  in flight    ${found.inFlight} events in packets${found.unmade > 0 ? `, and ${found.unmade} packets that were not made yet` : ''}`,
    ...(found.revoked + found.superseded === 0
      ? []
      : [
          `  not standing ${found.revoked} packets with a revoked certificate, ${found.superseded} with a superseded one`,
        ]),
    'Not checked:',
    ...notChecked(state, 'file' in from).map(gap => `  ${gap}`),
  ]
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function notChecked(state: AuditState, isFile: boolean): string[] {
  const { open, openMore, opening, found } = state
  const uncertified = [
    [found.split, 'that operators did not agree on'],
    [found.inFlight, 'in packets that are not certified yet'],
    [unsealedIn(state), 'behind the last seal mark'],
  ] as const
  return [
    ...uncertified.flatMap(([events, which]) =>
      events === 0 ? [] : [`${counted(events, 'event')} ${which}: no certificate vouches for them`],
    ),
    ...open,
    ...(openMore > 0 ? [`and ${openMore} more that could not be checked`] : []),
    ...(opening?.headers == null ? ['which blocks it stands in: the export brings no block headers'] : []),
    alwaysOpen.output,
    'what was taken off the end everywhere: compare with an earlier export, or with the certificates on the chain',
    ...(isFile ? ['what was revoked or superseded after the export was made'] : []),
  ]
}

function unsealedIn({ opening }: AuditState): number {
  return opening?.partitions.reduce((sum, { tail }) => sum + tail.accepted, 0) ?? 0
}

function asJson(state: AuditState, exitCode: number): object {
  const { opening, found, findings, findingsMore, level, shortfall, isWhole } = state
  return {
    kind: findings.length > 0 ? 'invalid' : 'valid',
    isWhole,
    level: findings.length > 0 ? null : (level ?? 'consistent'),
    shortfall,
    network: opening?.network ?? null,
    partitions: opening?.partitions.length ?? 0,
    ...found,
    unsealed: unsealedIn(state),
    findings,
    findingsMore,
    notChecked: notChecked(state, true),
    exitCode,
  }
}
