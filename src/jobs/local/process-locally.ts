import { orThrow } from '../../core/fault.ts'
import { normalizePacket } from '../../core/work/normalize-packet.ts'
import { validatePacket } from '../../core/work/validate-packet.ts'
import type { LocalPacket, LocalPrecursor, LocalStore, ProcessedPacket } from './ports.ts'

export type ProcessLocallyDeps = {
  readonly store: LocalStore
  /** Lets everybody else have their turn, for about as long as the packet took. */
  rest(tookMs: number): Promise<void>
  /** Stops there, in tests. */
  at(step: 'local.processed'): void
  /** Whether to go on after a packet: agents may be there again. */
  isWanted(): boolean
}

/**
 * What agents would have done with the packets of one partition, up to validated: nobody's consensus, and shown as that.
 * Resolves with whether there was anything to do.
 */
export async function processLocally(deps: ProcessLocallyDeps): Promise<'worked' | 'none'> {
  const { store, rest, at, isWanted } = deps
  return store.withNext(async partition => {
    const done: ProcessedPacket[] = []
    let { before } = partition
    for (const packet of partition.packets) {
      const beganMs = performance.now()
      const processed = process(packet, await packet.read(), before)
      done.push(processed)
      before = { parent: { packetId: packet.packetId, versionId: nobodys }, state: stateOf(processed) }
      await rest(performance.now() - beganMs)
      if (!isWanted()) break
    }
    await partition.write(done)
    at('local.processed')
  })
}

/** What one node says alone has no version. */
const nobodys = ''

function process(packet: LocalPacket, bytes: Uint8Array, before: LocalPrecursor): ProcessedPacket {
  const { packetId, header, policySet } = packet
  const normalized = orThrow(normalizePacket(header, bytes, policySet))
  const validated = orThrow(validatePacket(header, normalized.bytes, policySet, before))
  return { packetId, packetNo: header.packetNo, output: validated.bytes, state: validated.stateBytes }
}

function stateOf({ state }: ProcessedPacket): Uint8Array | null {
  return state.length === 0 ? null : state
}
