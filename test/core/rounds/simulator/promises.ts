import { quorums } from '../../../../src/core/level.ts'
import { leaveLimits } from '../../../../src/core/rounds/coordinating/leave.ts'
import type { PacketStanding } from '../../../../src/core/rounds/coordinating/standing.ts'
import type { Manifest } from './agents.ts'
import { certificateWithoutQuorum } from './votes.ts'
import { Broken, isSpent, nameOf, type World } from './world.ts'

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

export function checkOneLiveCertificate(world: World): void {
  const seen = new Set<string>()
  for (const { txid, packetIds } of world.certificates) {
    if (!world.network.isLive(txid)) continue
    for (const [at, packetId] of packetIds.entries()) {
      if (isSpent(world, { txid, vout: 2 * at + 1 })) continue
      if (seen.has(packetId)) throw new Broken('two-live-certificates', nameOf(world, packetId))
      seen.add(packetId)
    }
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
  const { status, tries, halvings, rebuilds } = packet
  if (!['certified', 'split', 'abandoned'].includes(status))
    throw new Broken('not-terminal', `${name} ${status}`)
  if (tries > leaveLimits.triesMax || halvings > 6 || rebuilds > leaveLimits.rebuildsMax)
    throw new Broken('unbounded', name)
  if (status !== 'certified') return
  const certificate = world.certificates.find(({ txid }) => txid === packet.certificate)
  const at = certificate?.packetIds.indexOf(packet.packetId) ?? -1
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
