import { quorums } from '../../../../src/core/level.ts'
import { leaveLimits } from '../../../../src/core/rounds/coordinating/leave.ts'
import type { PacketStanding } from '../../../../src/core/rounds/coordinating/standing.ts'
import type { Manifest } from './agents.ts'
import { certificateWithoutQuorum } from './votes.ts'
import { Broken, type Deed, isSpent, nameOf, type World } from './world.ts'

// What must hold in every run, whatever happens in it. Nothing here asks the rules.

/** At the moment of certification: its turn in its partition, and the state that it really was validated with. */
export function checkCertification(
  world: World,
  packet: PacketStanding,
  versionId: string,
  together: readonly string[],
): Manifest {
  const manifest = world.outputs.manifests.get(versionId)
  if (manifest === undefined) throw new Error(`nobody made version ${versionId}`)
  if (packet.version === null)
    for (const before of world.standings.values()) {
      if (before.partition !== packet.partition || before.packetNo >= packet.packetNo) continue
      const isDecided = before.version !== null || before.status === 'split'
      if (isDecided || world.reopened.has(before.packetId) || together.includes(before.packetId)) continue
      throw new Broken(
        'passed-by-undecided',
        `${nameOf(world, packet.packetId)} before ${nameOf(world, before.packetId)}`,
      )
    }
  const used = world.outputs.stateUsed.get(manifest.validated)
  if (!manifest.isLie && used !== undefined && used !== manifest.stateIn)
    throw new Broken('state-used-differs', nameOf(world, packet.packetId))
  return manifest
}

/** At every moment each packet has at most one live certificate, and it names the version certified first. */
export function checkLiveCertificates(world: World): void {
  const seen = new Set<string>()
  for (const { txid, members } of world.certificates) {
    if (!world.network.isLive(txid)) continue
    for (const [at, { packetId, versionId }] of members.entries()) {
      if (isSpent(world, { txid, vout: 2 * at + 1 })) continue
      if (seen.has(packetId)) throw new Broken('two-live-certificates', nameOf(world, packetId))
      seen.add(packetId)
      const first = world.standings.get(packetId)?.version?.versionId ?? versionId
      if (first !== versionId) throw new Broken('other-version', nameOf(world, packetId))
    }
  }
}

/** Dissent stays in the trail: a step spends all there is. */
export function checkSpends({ kind, spends }: Deed, results: number): void {
  if (kind !== 'close' && spends.length !== results)
    throw new Broken('answer-hidden', `${kind} spends ${spends.length} of ${results} results`)
}

/** What was in a job that agreed on nothing comes back in rounds of half its size. */
export function checkClosed(world: World, packetIds: readonly string[]): void {
  for (const packetId of packetIds) {
    const members = world.closedOf.get(packetId)
    if (members !== undefined && packetIds.length > members / 2)
      throw new Broken('not-halved', `${nameOf(world, packetId)}, ${packetIds.length} after ${members}`)
  }
}

export function checkEnd(world: World): void {
  if (world.queue.length > 0) throw new Broken('never-quiet', `${world.queue.length} occurrences are left`)
  for (const { txid } of world.certificates) {
    const why = certificateWithoutQuorum(txid, world.network, world.inputLeavesOf)
    if (why !== undefined) throw new Broken('without-quorum', why)
  }
  for (const packet of world.standings.values()) {
    checkTerminal(world, packet)
    checkNeeded(world, packet)
    checkChain(world, packet)
  }
}

function checkTerminal(world: World, packet: PacketStanding): void {
  const name = nameOf(world, packet.packetId)
  const { status, tries, rebuilds } = packet
  if (!['certified', 'split', 'abandoned'].includes(status))
    throw new Broken('not-terminal', `${name} ${status}`)
  if (tries > leaveLimits.triesMax || rebuilds > leaveLimits.rebuildsMax) throw new Broken('unbounded', name)
  if (status !== 'certified') return
  const certificate = world.certificates.find(({ txid }) => txid === packet.certificate)
  const at = certificate?.members.findIndex(({ packetId }) => packetId === packet.packetId) ?? -1
  if (certificate === undefined || at < 0 || !world.network.isLive(certificate.txid))
    throw new Broken('certificate-dead', name)
  if (isSpent(world, { txid: certificate.txid, vout: 2 * at + 1 }))
    throw new Broken('certificate-revoked', name)
  const liars = world.operators.filter(({ behaviour }) =>
    ['lies-once', 'colludes', 'equivocates', 'mixed'].includes(behaviour),
  ).length
  if (
    liars < quorums[world.level].agreeing &&
    world.outputs.manifests.get(packet.version?.versionId ?? '')?.isLie
  )
    throw new Broken('lie-certified', name)
}

/** A good packet is certified where a quorum of honest operators answers in time. */
function checkNeeded(world: World, packet: PacketStanding): void {
  checkDissent(world, packet)
  const isOk = (packetId: string) => world.packets.get(packetId)?.kind === 'ok'
  if (!isOk(packet.packetId) || world.chaos) return
  const name = nameOf(world, packet.packetId)
  const faulty = world.operators.filter(({ behaviour }) => behaviour !== 'honest').length
  if (faulty <= 1 && world.level === 'enhanced' && packet.status === 'split')
    throw new Broken('needless-split', name)
  const partition = [...world.standings.values()].filter(other => other.partition === packet.partition)
  if (faulty === 0 && partition.every(other => isOk(other.packetId)) && packet.status !== 'certified')
    throw new Broken('needless-split', `${name}, without any fault`)
}

/** Where every operator is honest, those of a critical packet that differ differ for good: it is not tried again. */
function checkDissent(world: World, { packetId, status, tries }: PacketStanding): void {
  const isFlaky = world.packets.get(packetId)?.kind === 'flaky'
  const allHonest = world.operators.every(({ behaviour }) => behaviour === 'honest')
  // A reorganisation may take an answer along with a job that dies and comes back: that is silence, and a try.
  if (world.level !== 'critical' || !isFlaky || !allHonest || world.chaos || world.reorg) return
  if (status === 'split' && tries > 1) throw new Broken('dissent-retried', nameOf(world, packetId))
}

/** Its parent is the packet certified last below it when its round was made, or the one before it in the round. */
function checkChain(world: World, packet: PacketStanding): void {
  const { firstCertified, standings, outputs } = world
  const own = firstCertified.get(packet.packetId)
  const manifest = outputs.manifests.get(packet.version?.versionId ?? '')
  if (own === undefined || manifest === undefined || manifest.isLie) return
  let before: PacketStanding | undefined
  for (const other of standings.values()) {
    const its = firstCertified.get(other.packetId)
    if (other.partition !== packet.partition || other.packetNo >= packet.packetNo || its === undefined)
      continue
    const counts = its.at < own.madeAt || its.txid === own.txid
    if (counts && other.packetNo > (before?.packetNo ?? -1)) before = other
  }
  const parent = outputs.manifests.get(before?.version?.versionId ?? '')
  if (parent?.isLie) return
  if (manifest.parent?.versionId !== before?.version?.versionId)
    throw new Broken('parent-chain', nameOf(world, packet.packetId))
  if (manifest.stateIn !== (parent?.stateOut ?? null))
    throw new Broken('state-chain', nameOf(world, packet.packetId))
}
