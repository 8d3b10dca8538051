import { concatAll } from '../../core/bytes.ts'
import { parseJson } from '../../core/canonical-json.ts'
import { accepted, type Outcome } from '../../core/fault.ts'
import { type PolicySet, policyDigest } from '../../core/policy/policy-set.ts'
import { readPolicySet } from '../../core/policy/read-policy-set.ts'
import { POLICY_CHARS_MAX } from '../../core/schema.ts'
import { headerChain } from '../headers.ts'
import { proofLevels, type Trust } from '../trust.ts'
import { type AuditState, atStart, type Found, inPartition } from './audit-state.ts'
import { type KnownCertificate, knownCertificate } from './check-certificate.ts'
import { countedInAll } from './check-counts.ts'
import { type CheckedPacket, checkPacket } from './check-packet.ts'
import type { Finding, Flaw } from './findings.ts'
import {
  type ExportRecord,
  type Extent,
  type HeadersRecord,
  type OpeningRecord,
  type PacketRecord,
  type PolicyRecord,
  unreadable,
} from './records.ts'

/** Looks at a whole log, record by record, and keeps no more of it than going on takes. */
export type Audit = {
  /** What this record shows to be wrong; a fault where the records are no export. */
  take(record: ExportRecord): Outcome<readonly Finding[]>
  state(): AuditState
}

/** Of those that are found beyond, the number is told. */
export const FINDINGS_LISTED_MAX = 1_000
const OPEN_LISTED_MAX = 100
/** More than the packets of a page can need. */
const REMEMBERED_MAX = 128

/** `from`: of an audit that was cut off. Block headers are not kept in it, and have to be taken once more. */
export function openAudit(trust: Trust, from: AuditState = atStart): Audit {
  let state = from
  const certificates = openMemory<KnownCertificate>()
  const policies = openMemory<PolicySet>()
  const headers: HeadersRecord[] = []
  let brought: Trust | undefined
  let isBrought = false

  const note = (findings: readonly Finding[], open: readonly string[] = []) => {
    const fresh = open.filter(why => !state.open.includes(why))
    state = {
      ...state,
      findings: [...state.findings, ...findings].slice(0, FINDINGS_LISTED_MAX),
      findingsMore: state.findingsMore + over(state.findings, findings, FINDINGS_LISTED_MAX),
      open: [...state.open, ...fresh].slice(0, OPEN_LISTED_MAX),
      openMore: state.openMore + over(state.open, fresh, OPEN_LISTED_MAX),
    }
    return findings
  }
  const bring = (): readonly Finding[] => {
    if (isBrought) return []
    isBrought = true
    const chain = chainOf(headers, state.opening?.network ?? 'local')
    headers.length = 0
    if (chain === undefined) return []
    if (!chain.ok) return [onChain(chain.fault.detail)]
    brought = { headers: chain.value, allowLocal: true }
    return []
  }
  /** Up to a partition, which is begun. */
  const goTo = (at: number): Finding[] => {
    const findings: Finding[] = []
    for (; state.at < at; state = { ...state, at: state.at + 1, partition: inPartition() }) {
      const extent = state.opening?.partitions[state.at]
      if (extent !== undefined)
        findings.push(...closePartition(extent, state).map(flaw => placed(extent, null, flaw)))
    }
    return findings
  }

  const takePacket = (record: PacketRecord): Outcome<readonly Finding[]> => {
    const extents = state.opening?.partitions ?? []
    const at = extents.findIndex((each, i) => i >= state.at && isOf(each, record))
    const extent = extents[at]
    if (extent === undefined)
      return unreadable(
        `a packet of stream "${record.streamId}", partition ${record.partition} stands where none is wanted`,
      )
    const closed = goTo(at)
    if (record.packetNo < state.partition.nextPacket || record.packetNo >= extent.marks)
      return unreadable(`packet ${record.packetNo} stands where ${state.partition.nextPacket} is wanted`)
    const checked = checkPacket(extent, state.partition, record, {
      trust,
      said: brought,
      certificateOf: certificates.get,
      policyOf: policies.get,
    })
    state = {
      ...state,
      partition: checked.after,
      found: foundWith(state.found, checked, record),
      ...levelWith(state, checked),
    }
    const own = checked.flaws.map(flaw => placed(extent, record.packetNo, flaw))
    const beside = untold(extent, checked)
    return accepted(note([...closed, ...own, ...beside.findings], [...checked.open, ...beside.open]))
  }

  /** Partitions that a round was about, and the export does not tell of. */
  const untold = (extent: Extent, { partitions }: CheckedPacket) => {
    const { streamId: all = null, partitions: told = [] } = state.opening ?? {}
    const missing = partitions.filter(
      each =>
        (all === null || all === each.streamId) &&
        !told.some(({ streamId, partition }) => streamId === each.streamId && partition === each.partition),
    )
    // One that is certified since may have shared its round with a partition that was not there yet.
    if (state.partition.certifiedEvents > extent.certified)
      return {
        findings: [],
        open: missing.map(
          ({ streamId, partition }) =>
            `stream "${streamId}", partition ${partition}, is in a round and not in the export: it is newer than that, or was taken out`,
        ),
      }
    const fresh = missing.filter(({ streamId, partition }) =>
      state.findings.every(
        found => found.detail !== takenOut || found.streamId !== streamId || found.partition !== partition,
      ),
    )
    const flaw: Flaw = { kind: 'omission', detail: takenOut }
    return { findings: fresh.map(each => placed(each, null, flaw)), open: [] }
  }

  return {
    state: () => state,
    take(record) {
      if (state.isWhole) return unreadable('something stands behind the end of the export')
      if ((record.kind === 'opening') !== (state.opening === null))
        return unreadable('an export begins with its opening, and has one')
      switch (record.kind) {
        case 'opening': {
          const unfit = misfitIn(record)
          if (unfit !== undefined) return unreadable(unfit)
          state = { ...state, opening: record }
          return accepted([])
        }
        case 'headers':
          if (isBrought) return unreadable('block headers stand behind packets')
          headers.push(record)
          return accepted([])
        case 'policy': {
          const read = readPolicy(record)
          if (read === undefined) return accepted([])
          if (typeof read === 'string') return accepted(note([onChain(read, 'edit')]))
          policies.keep(record.digest, read)
          return accepted([])
        }
        case 'certificate':
          certificates.keep(record.txid, knownCertificate(record))
          return accepted([])
        case 'packet': {
          const before = note(bring())
          const found = takePacket(record)
          return found.ok ? accepted([...before, ...found.value]) : found
        }
        case 'closing': {
          const before = note(bring())
          const closed = note(goTo(state.opening?.partitions.length ?? 0))
          state = { ...state, isWhole: true }
          return accepted([...before, ...closed])
        }
      }
    },
  }
}

/** Where an opening tells of something else than it says. */
function misfitIn({ streamId, network, partitions }: OpeningRecord): string | undefined {
  const seen = new Set<string>()
  for (const extent of partitions) {
    const what = `partition ${extent.partition} of stream "${extent.streamId}"`
    if (streamId !== null && extent.streamId !== streamId)
      return `an export of stream "${streamId}" tells of ${what}`
    if (extent.network !== network)
      return `an export of ${network} tells of ${what}, which is of ${extent.network}`
    const name = JSON.stringify([extent.streamId, extent.partition])
    if (seen.has(name)) return `an export tells of ${what} twice`
    seen.add(name)
  }
  return undefined
}

function over(known: readonly unknown[], more: readonly unknown[], max: number): number {
  return Math.max(0, known.length + more.length - max)
}

function isOf(extent: Extent, { streamId, partition }: PacketRecord): boolean {
  return extent.streamId === streamId && extent.partition === partition
}

function closePartition(extent: Extent, { partition }: AuditState): Flaw[] {
  const { nextPacket, totals, certifiedEvents: certified } = partition
  const isShort = nextPacket < extent.marks
  const short: Flaw[] = isShort
    ? [
        {
          kind: 'omission',
          detail: `packet ${nextPacket} and all behind it are missing: the partition counts ${extent.marks} packets`,
        },
      ]
    : []
  const isAllThere = partition.isAllThere && !isShort
  return [...short, ...countedInAll(extent, isShort ? null : totals, { certified, isAllThere })]
}

function foundWith(found: Found, { events, outcome }: CheckedPacket, { certificate }: PacketRecord): Found {
  const of = (which: CheckedPacket['outcome']) => (outcome === which ? events : 0)
  return {
    packets: found.packets + (outcome === 'unmade' ? 0 : 1),
    events: found.events + events,
    certified: found.certified + of('certified'),
    split: found.split + of('split'),
    inFlight: found.inFlight + of('in-flight'),
    unmade: found.unmade + (outcome === 'unmade' ? 1 : 0),
    revoked: found.revoked + (certificate?.state === 'revoked' ? 1 : 0),
    superseded: found.superseded + (certificate?.isSuperseded ? 1 : 0),
  }
}

function levelWith(
  { level, shortfall }: AuditState,
  { reached }: CheckedPacket,
): Pick<AuditState, 'level' | 'shortfall'> {
  if (reached === null) return { level, shortfall }
  const isLower = level === null || proofLevels.indexOf(reached.level) < proofLevels.indexOf(level)
  return isLower ? { level: reached.level, shortfall: reached.shortfall } : { level, shortfall }
}

/** Undefined where the export brings none. */
function chainOf(records: readonly HeadersRecord[], network: NonNullable<AuditState['opening']>['network']) {
  const [first] = records
  if (first === undefined) return undefined
  let height = first.firstHeight
  for (const { firstHeight, headers } of records) {
    if (firstHeight !== height)
      return unreadable(`the block headers go on at height ${firstHeight}, and ${height} was wanted`)
    height += headers.length / 80
  }
  return headerChain(concatAll(records.map(({ headers }) => headers)), first.firstHeight, network)
}

/** A sentence where it is not the one it is kept as; undefined where it is not given. */
function readPolicy({ digest, policy }: PolicyRecord): PolicySet | string | undefined {
  if (policy === null) return undefined
  const json = parseJson(policy, 4 * POLICY_CHARS_MAX)
  const read = json.ok ? readPolicySet(json.value) : json
  if (!read.ok) return `policy set ${digest} cannot be read: ${read.fault.detail}`
  const seen = policyDigest(read.value)
  return seen === digest ? read.value : `what is kept as policy set ${digest} is policy set ${seen}`
}

const takenOut = 'the export does not tell of it, and a round that was certified before is about it'

function placed(
  { streamId, partition }: Pick<Extent, 'streamId' | 'partition'>,
  packetNo: number | null,
  { kind, detail, seq }: Flaw,
): Finding {
  return { kind, streamId, partition, packetNo, seq: seq ?? null, detail }
}

function onChain(detail: string, kind: Finding['kind'] = 'forged-block'): Finding {
  return { kind, streamId: '', partition: 0, packetNo: null, seq: null, detail }
}

/** First in, first out: an export gives again what later packets need. */
function openMemory<T>() {
  const kept = new Map<string, T>()
  return {
    get: (name: string) => kept.get(name),
    keep(name: string, value: T) {
      kept.delete(name)
      kept.set(name, value)
      const [oldest] = kept.keys()
      if (kept.size > REMEMBERED_MAX && oldest !== undefined) kept.delete(oldest)
    },
  }
}
