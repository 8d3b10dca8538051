import type { CertifiedManifest } from '../../core/certificate/manifest.ts'
import { checkPacketBytes } from '../../core/log/packet.ts'
import { type PacketHeader, packetId } from '../../core/log/packet-header.ts'
import type { PolicySet } from '../../core/policy/policy-set.ts'
import type { ProofLevel } from '../trust.ts'
import { type PartitionState, remember } from './audit-state.ts'
import {
  type CertificateChecks,
  type CheckedCertificate,
  checkCertificate,
  type KnownCertificate,
} from './check-certificate.ts'
import { countedAt } from './check-counts.ts'
import { againstMark, checkHeader, readHeader } from './check-header.ts'
import { checkContents, checkLines } from './check-output.ts'
import { eventIdsOf, linesOf, type Reference } from './compare-lines.ts'
import type { Flaw } from './findings.ts'
import type { Extent, PacketRecord } from './records.ts'

export type CheckedPacket = {
  readonly after: PartitionState
  readonly flaws: readonly Flaw[]
  /** What could not be checked. */
  readonly open: readonly string[]
  /** 0 where it is not made yet, or cannot be read. */
  readonly events: number
  readonly outcome: 'certified' | 'split' | 'in-flight' | 'unmade' | 'unreadable'
  /** That its round was about, where its certificate holds. */
  readonly partitions: readonly { readonly streamId: string; readonly partition: number }[]
  /** Of its certificate, where that holds. */
  readonly reached: { readonly level: ProofLevel; readonly shortfall: string | null } | null
}

export type PacketChecks = CertificateChecks & {
  readonly certificateOf: (txid: string) => KnownCertificate | undefined
  readonly policyOf: (digest: string) => PolicySet | undefined
}

/** One packet, behind all that came before it in its partition. One thing that was done to it is one finding, as far as that goes. */
export function checkPacket(
  extent: Extent,
  before: PartitionState,
  record: PacketRecord,
  checks: PacketChecks,
): CheckedPacket {
  const gap = gapBefore(before, record.packetNo)
  const ordered: PartitionState =
    gap.length === 0 ? before : { ...before, before: 'missing', totals: null, isAllThere: false }
  const lost = record.header === null ? [] : lostBefore(ordered, record.packetNo)
  const start: PartitionState =
    lost.length === 0 ? ordered : { ...ordered, before: 'missing', isAllThere: false }
  const flaws: Flaw[] = [...gap, ...lost, ...checkMark(start, record)]
  const marked = { ...start, nextPacket: record.packetNo + 1, totals: record.mark?.totals ?? null }
  if (record.header === null) return notMade(extent, marked, record, flaws)
  const read = readHeader(record.header)
  if (!read.ok) {
    const unread: Flaw = { kind: 'forged-header', detail: `its header cannot be read: ${read.fault.detail}` }
    const after: PartitionState = { ...marked, before: 'missing' }
    return {
      after,
      flaws: [...flaws, unread],
      open: [],
      events: 0,
      outcome: 'unreadable',
      partitions: [],
      reached: null,
    }
  }

  const header = read.value
  const link = linkOf(start)
  const forged = checkHeader(header, record.packetId, extent, record.packetNo, link)
  const chained: PartitionState = { ...marked, before: { header, packetId: record.packetId ?? '' } }
  const outcome = outcomeOf(record)
  const counted: PartitionState =
    outcome === 'certified'
      ? { ...chained, certifiedEvents: chained.certifiedEvents + header.count }
      : chained
  flaws.push(...missingLines(header, record))
  if (forged !== undefined) {
    const after = asStanding(counted, record)
    return {
      after,
      flaws: [...flaws, forged],
      open: [],
      events: header.count,
      outcome,
      partitions: [],
      reached: null,
    }
  }
  const unlike = record.mark === null ? undefined : againstMark(header, record.mark)
  if (unlike !== undefined) flaws.push(unlike)
  flaws.push(...checkStanding(extent, header, record))
  const contents = checkCertified(counted, header, record, checks)
  return { ...contents, flaws: [...flaws, ...contents.flaws], events: header.count, outcome }
}

function gapBefore({ nextPacket }: PartitionState, packetNo: number): Flaw[] {
  if (packetNo === nextPacket) return []
  const [first, last] = [nextPacket, packetNo - 1]
  return [
    {
      kind: 'omission',
      detail:
        first === last
          ? `packet ${first} before it is missing`
          : `packets ${first} to ${last} before it are missing`,
    },
  ]
}

/** Packets are made in their order: behind one that is there, none is still to be made. */
function lostBefore({ before }: PartitionState, packetNo: number): Flaw[] {
  if (before === null || before === 'missing' || 'header' in before) return []
  const [first, last] = [before.unmade, packetNo - 1]
  const which =
    first === last ? `packet ${first} before it has` : `packets ${first} to ${last} before it have`
  return [{ kind: 'omission', detail: `${which} a seal mark, and nothing else is there any more` }]
}

function linkOf({ before }: PartitionState) {
  return before === null || (before !== 'missing' && 'header' in before) ? before : undefined
}

function checkMark({ totals }: PartitionState, { mark, appended }: PacketRecord): Flaw[] {
  return mark === null
    ? [{ kind: 'omission', detail: 'its seal mark is missing' }]
    : countedAt(totals, appended, mark)
}

/** A mark alone is a packet that is on its way, unless something has followed from the packet already. */
function notMade(
  { followed }: Extent,
  marked: PartitionState,
  { packetNo, standing }: PacketRecord,
  flaws: readonly Flaw[],
): CheckedPacket {
  const wasMade = standing !== null || packetNo < followed
  const lost: Flaw = { kind: 'omission', detail: 'it has a seal mark, and is not there any more' }
  const isOneOfMany = marked.before !== null && marked.before !== 'missing' && 'unmade' in marked.before
  const unmade = isOneOfMany ? marked.before : { unmade: packetNo }
  return {
    after: {
      ...marked,
      before: wasMade ? 'missing' : unmade,
      isAllThere: marked.isAllThere && !wasMade,
    },
    flaws: wasMade ? [...flaws, lost] : flaws,
    open: [],
    events: 0,
    outcome: 'unmade',
    partitions: [],
    reached: null,
  }
}

function outcomeOf({ standing }: PacketRecord): 'certified' | 'split' | 'in-flight' {
  if (standing === null) return 'in-flight'
  if (standing.versionId !== null) return 'certified'
  return standing.status === 'split' ? 'split' : 'in-flight'
}

function missingLines({ count, rawHash }: PacketHeader, { lines }: PacketRecord): Flaw[] {
  return count > 0 && lines === null
    ? [{ kind: 'missing-payload', detail: `its lines, ${rawHash}, are not there` }]
    : []
}

function checkStanding(
  { followed }: Extent,
  { count }: PacketHeader,
  { packetNo, packetId, standing, certificate }: PacketRecord,
): Flaw[] {
  const isStanding = standing !== null && standing.versionId !== null
  // The first that the network has seen gives the packet its version, in one step; before that it is only written.
  if (certificate !== null && certificate.state !== 'written' && !isStanding)
    return [
      {
        kind: 'wrong-count',
        detail: `certificate ${certificate.txid} of it is ${certificate.state}, and it counts as ${standing?.status ?? 'on no way to one'}`,
      },
    ]
  if (standing === null)
    return packetNo < followed
      ? [
          {
            kind: 'omission',
            detail: 'it stands nowhere on the way to a certificate, and packets behind it do',
          },
        ]
      : []
  const flaws: Flaw[] = []
  if (standing.packetId !== packetId)
    flaws.push({
      kind: 'forged-header',
      detail: `it is ${packetId}, and ${standing.packetId} is on the way to a certificate in its place`,
    })
  if (standing.events !== count)
    flaws.push({
      kind: 'wrong-count',
      detail: `it holds ${count} events, and is counted with ${standing.events} on the way to a certificate`,
    })
  if (standing.versionId === null) return flaws
  if (certificate === null && !isBeingMadeAgain(standing.status))
    flaws.push({
      kind: 'missing-certificate',
      detail: `it is said to be certified as ${standing.versionId}, and there is no certificate of it`,
    })
  else if (certificate !== null && certificate.versionId !== standing.versionId)
    flaws.push({
      kind: 'forged-certificate',
      detail: `it is said to be certified as ${standing.versionId}, and its certificate is shown for ${certificate.versionId}`,
    })
  return flaws
}

/** Its certificate was lost to the network; the version stays, and gets another one. */
function isBeingMadeAgain(status: string): boolean {
  return status !== 'certified'
}

type CheckedContents = Pick<CheckedPacket, 'after' | 'flaws' | 'open' | 'partitions' | 'reached'>

function checkCertified(
  before: PartitionState,
  header: PacketHeader,
  record: PacketRecord,
  checks: PacketChecks,
): CheckedContents {
  const copies = copiesOf(header, record)
  const { certificate: said } = record
  if (said === null) {
    const { standing } = record
    const isLost = standing !== null && standing.versionId !== null && isBeingMadeAgain(standing.status)
    const open = isLost
      ? [
          `packet ${record.packetNo} of partition ${record.partition} has lost its certificate, and has no other one yet`,
        ]
      : []
    return { after: asStanding(before, record), flaws: copies.flaws(), open, partitions: [], reached: null }
  }
  const checked: CheckedCertificate = checkCertificate(header, said, checks.certificateOf(said.txid), checks)
  if (checked.kind === 'flawed')
    return {
      after: asStanding(before, record),
      flaws: [checked.flaw, ...copies.flaws()],
      open: [],
      partitions: [],
      reached: null,
    }

  const { manifest } = checked
  const { versionId } = said
  const { stateOut } = manifest.provenance.assay
  const policySet = checks.policyOf(header.policyDigest)
  const parent = checkParent(before, manifest)
  const flaws = [...parent.flaws, ...copies.ofLog()]
  if (record.output === null) {
    const { contentHash } = manifest.content
    flaws.push({ kind: 'missing-payload', detail: `its certified output, ${contentHash}, is not there` })
    flaws.push(...copies.ofLines())
  } else {
    const { reference, sound } = copies
    flaws.push(...checkContents(header, sound, record.output, { manifest, versionId, policySet, reference }))
  }
  return {
    after: remember(before, { packetId: packetId(header), versionId, stateOut }),
    flaws,
    open: [
      ...checked.open,
      ...parent.open,
      ...(policySet === undefined
        ? [`policy set ${header.policyDigest} is not given: what manifests say by it was not made again`]
        : []),
    ],
    partitions: checked.kind === 'stands' ? checked.partitions : [],
    reached: checked.kind === 'stands' ? checked.weight : null,
  }
}

/** The lines under their hash, and those in the log, where these are others. */
function copiesOf(header: PacketHeader, { lines, logged }: PacketRecord) {
  const stored = header.count === 0 ? new Uint8Array() : (lines ?? undefined)
  const other = typeof logged === 'string' ? undefined : logged
  const isOtherSound = other !== undefined && checkPacketBytes(header, other).ok
  const reference = isOtherSound ? exactly(other) : undefined
  const ofLines = () => (stored === undefined ? [] : checkLines('its lines', header, stored, reference))
  const ofLog = () => {
    if (other === undefined || isOtherSound) return []
    const isSound = stored !== undefined && checkPacketBytes(header, stored).ok
    return checkLines('its lines in the log', header, other, isSound ? exactly(stored) : undefined)
  }
  return {
    reference,
    /** What the certificate is held against. */
    sound: stored ?? (isOtherSound ? other : undefined),
    ofLines,
    ofLog,
    flaws: () => [...ofLines(), ...ofLog()],
  }
}

function exactly(bytes: Uint8Array): Reference | undefined {
  const lines = linesOf(bytes)
  return lines && { eventIds: eventIdsOf(lines), lines }
}

/** A version descends from a packet before it, by the version and the state of that one. */
function checkParent(
  { certified, isForgotten, isAllThere }: PartitionState,
  manifest: CertifiedManifest,
): Pick<CheckedContents, 'flaws' | 'open'> {
  const { parent, stateIn } = manifest.provenance.assay
  const sound = { flaws: [], open: [] }
  if (parent === null) return sound
  const known = certified.find(({ packetId }) => packetId === parent)
  if (known === undefined) {
    if (!isAllThere) return sound
    return isForgotten
      ? {
          flaws: [],
          open: [`a manifest builds on packet ${parent}, which is none of the last ones before it`],
        }
      : forgedParent(`its manifest builds on packet ${parent}, which no packet before it is`)
  }
  const [version] = manifest.lineage.parents
  if (version !== known.versionId)
    return forgedParent(
      `its manifest descends from version ${version}, and packet ${parent} is certified as ${known.versionId}`,
    )
  return known.stateOut === undefined || known.stateOut === stateIn
    ? sound
    : forgedParent(
        `its manifest builds on state ${stateIn ?? 'of nothing'}, and packet ${parent} left ${known.stateOut ?? 'none'}`,
      )
}

function forgedParent(detail: string): Pick<CheckedContents, 'flaws' | 'open'> {
  return { flaws: [{ kind: 'forged-certificate', detail }], open: [] }
}

/** Where its certificate does not hold, as it is said to be certified: what builds on it does so by that. */
function asStanding(before: PartitionState, { packetId, standing }: PacketRecord): PartitionState {
  return packetId === null || standing?.versionId == null
    ? before
    : remember(before, { packetId, versionId: standing.versionId })
}
