import { sha256Hex } from '#sha256'
import type { Issuer } from '../contract/tokens.ts'
import { readFindings } from '../core/work/read-findings.ts'
import type { CertificateStore, DueCertificate, DueMember, KeepOutput, Written } from './ports.ts'
import { unpaidCertificate } from './unpaid-certificate.ts'

export type CertifyRoundDeps = {
  readonly store: Pick<CertificateStore, 'write' | 'noteFused'>
  readonly keepOutput: KeepOutput
  readonly log: Issuer
  now(): number
  at(step: string): void
  /** So many lines of packets that had no certificate before say that sources differ. */
  onDivergences?(count: number): void
}

/** Members whose bytes are kept at the same time, where they are small: an output is about as large as its packet. */
const KEPT_AT_ONCE = 32
const KEPT_BYTES_AT_ONCE = 16 * 1024 * 1024

/** From a decided round to its certificate, signed and stored; the sender sends it. */
export async function certifyRound(due: DueCertificate, deps: CertifyRoundDeps): Promise<Written> {
  deps.at('certify.taken')
  // Before the certificate: one that points at nothing could not be taken off the chain.
  const kept: Kept[] = []
  for (const group of groupsOf(due.members))
    kept.push(...(await Promise.all(group.map(member => keepMember(member, due, deps)))))
  const unreadable = kept.find(each => 'why' in each)
  if (unreadable !== undefined) return { kind: 'unreadable', why: unreadable.why }
  const written = await deps.store.write(due.lease, unpaidCertificate(due, deps.log, deps.now()))
  if (written.kind === 'written') {
    deps.at('certify.written')
    deps.onDivergences?.(kept.reduce((sum, each) => sum + ('why' in each ? 0 : each.divergences), 0))
  }
  return written
}

/** `divergences`: lines that say so for the first time. */
type Kept = { readonly divergences: number } | { readonly why: string }

async function keepMember(member: DueMember, due: DueCertificate, deps: CertifyRoundDeps): Promise<Kept> {
  const { packetId, streamId, validated } = member
  const { audience } = due
  const { keepOutput, at } = deps
  const { outputHash, stateOut } = validated
  const read = await validated.read()
  if (read === undefined)
    return {
      why: `no agent’s stored work has the output ${outputHash} of packet ${packetId}, and the state after it`,
    }
  const { output, state } = read
  check(packetId, 'output', output, outputHash)
  await keepOutput({ sha256: outputHash, bytes: output, what: 'output' }, { audience, streamId })
  if (stateOut !== null) {
    check(packetId, 'state', state, stateOut)
    await keepOutput({ sha256: stateOut, bytes: state, what: 'state' }, { audience, streamId })
  }
  const divergences = await noteFindings(member, output, deps)
  at('certify.kept')
  return { divergences }
}

/** Once: what was certified before has been noted and counted already. */
async function noteFindings(
  { packetId, versionId, header, version }: DueMember,
  output: Uint8Array,
  { store, now }: CertifyRoundDeps,
): Promise<number> {
  if (header === undefined || version !== null) return 0
  const { divergences, fused } = readFindings(output, header.count)
  if (fused.length > 0) await store.noteFused({ packetId, versionId, fused }, now())
  return divergences
}

function check(packetId: string, what: string, bytes: Uint8Array, wanted: string): void {
  const seen = sha256Hex(bytes)
  if (seen !== wanted)
    throw new Error(`the ${what} kept for packet ${packetId} hashes to ${seen}, and ${wanted} was agreed on`)
}

function groupsOf(members: readonly DueMember[]): DueMember[][] {
  const groups: DueMember[][] = []
  let bytes = 0
  for (const member of members) {
    const own = roomFor(member)
    const last = groups.at(-1)
    bytes += own
    if (last !== undefined && last.length < KEPT_AT_ONCE && bytes <= KEPT_BYTES_AT_ONCE) last.push(member)
    else {
      groups.push([member])
      bytes = own
    }
  }
  return groups
}

const LARGE_AT_ONCE = 4

/** States may be large whatever their packet is, and so may what closes windows. */
function roomFor({ header, validated }: DueMember): number {
  const large = KEPT_BYTES_AT_ONCE / LARGE_AT_ONCE
  const isUnknown = validated.stateOut !== null || header === undefined || header.count === 0
  return isUnknown ? large : Math.min(header.bytes, large)
}
