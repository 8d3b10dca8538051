import type { PacketProof, ProofFile } from '../contract/proof.ts'
import { type EventPlace, type Made, type ProofDeps, proveEvent, provePacket } from './make-proof.ts'

export type Proofs = {
  event(place: EventPlace): Promise<Made<ProofFile>>
  /** Undefined where there is no packet of that id. */
  packet(packetId: string): Promise<Made<PacketProof> | undefined>
}

/** For one request: what it asks for twice is read once, and no longer than that remembered. */
export type ProofsOf = () => Proofs

export function openProofs({ readParts, readTree }: ProofDeps): ProofsOf {
  return () => {
    const deps = { readParts: once(readParts), readTree: once(readTree) }
    return { event: place => proveEvent(place, deps), packet: packetId => provePacket(packetId, deps) }
  }
}

function once<T>(read: (name: string) => Promise<T>): (name: string) => Promise<T> {
  const begun = new Map<string, Promise<T>>()
  return name => {
    const known = begun.get(name) ?? read(name)
    begun.set(name, known)
    return known
  }
}
