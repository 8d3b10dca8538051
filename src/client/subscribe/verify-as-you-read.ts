import type { PacketContents } from '../../contract/packet-contents.ts'
import { type ProofLevel, proofLevels, type ValidPacketProof } from '../../contract/verify.ts'
import { contradiction } from './contradiction.ts'
import type { Fetched, PacketSource } from './fetch-packet.ts'
import type { GapMessage, LineMessage } from './messages.ts'
import { partitionKey, type Standings } from './position.ts'
import { type Lost, lose, partitionBegins, type Standing, step, stepOver } from './standing.ts'

/** What was checked of an item, and what was not. */
export type Checked = {
  /** The level that its proof reaches, for what its reader trusts. */
  readonly verified: ProofLevel | 'not checked'
  readonly notChecked: readonly string[]
}

export type Found =
  | ({ readonly kind: 'holds' } & Checked)
  | { readonly kind: 'refused'; readonly code: RefusalCode; readonly detail: string }

export type RefusalCode =
  /** The proof does not hold, or says something else than the stream. */
  | 'proof-invalid'
  /** It holds, and does not reach the level that is required. */
  | 'level-not-reached'
  /** There is none to be had. */
  | 'proof-missing'
  /** Something is missing before it, and nobody has said so; or it came before. */
  | 'sequence-broken'

export type Checking = {
  line(message: LineMessage): Promise<Found>
  gap(message: GapMessage): Checked
  /** Where the checks stand, to go on there. */
  standings(): Standings
}

export type CheckingOptions = {
  readonly packets: PacketSource
  readonly required: ProofLevel
  readonly from: Standings
  /** Null where all lines of a partition are told, else why they are not. */
  readonly notDense: string | null
}

/** Empty packets are sealed one at a time, to carry a watermark on. */
const EMPTY_IN_A_ROW_MAX = 64

/** Holds each line against its packet's proof, and the lines of a partition against each other. */
export function openChecking({ packets, required, from, notDense }: CheckingOptions): Checking {
  const places = new Map(from.places)
  const standingOf = (key: string) => places.get(key) ?? (from.fromStart ? partitionBegins : undefined)
  const move = (key: string, to: Standing | Lost) => {
    if (notDense === null) places.set(key, to)
  }
  // It stays in the map: what is not there is taken for read from its beginning.
  const loseAt = (key: string) => move(key, lose(standingOf(key)))

  const inSequence = async (message: LineMessage, contents: PacketContents): Promise<Found | Standing> => {
    const stepped = step(standingOf(partitionKey(message.streamId, message.partition)), message, contents)
    if (stepped.kind === 'hole') return broken(stepped.detail)
    if (stepped.kind === 'next') return stepped.to
    const empty = await haveNoLines(stepped, packets, required)
    if (empty !== true)
      return broken(`nothing came of ${stepped.count} packets before packet ${message.packetNo}: ${empty}`)
    return stepped.to
  }

  return {
    async line(message) {
      const key = partitionKey(message.streamId, message.partition)
      const fetched = await packets.contents(message.packetId)
      if (fetched.kind !== 'fetched') {
        // Nobody knows how many lines the packet has.
        loseAt(key)
        return refusedBy(fetched)
      }
      const contents = fetched.value
      const before = standingOf(key)
      const placed = notDense === null ? await inSequence(message, contents) : undefined
      if (placed !== undefined && 'kind' in placed) {
        loseAt(key)
        return placed
      }
      if (placed !== undefined) move(key, placed)
      const { level, notChecked } = contents.verdict
      const lie = contradiction(message, contents)
      if (lie !== undefined) return { kind: 'refused', code: 'proof-invalid', detail: lie }
      const shortfall = shortOf(required, contents.verdict)
      if (shortfall !== undefined) return { kind: 'refused', code: 'level-not-reached', detail: shortfall }
      return {
        kind: 'holds',
        verified: level,
        notChecked: [...notChecked, ...missingBefore(before, notDense), ...saidByNode(message)],
      }
    },
    gap(message) {
      const { streamId, partition, stage } = message
      if (stage === 'certified' && streamId !== null && partition !== null) {
        const key = partitionKey(streamId, partition)
        move(key, stepOver(message) ?? lose(standingOf(key)))
      }
      return { verified: 'not checked', notChecked: [gapIsWord] }
    },
    standings: () => ({ fromStart: from.fromStart, places: new Map(places) }),
  }
}

/** Why a proof is not enough; undefined where it is. */
function shortOf(
  required: ProofLevel,
  { level, shortfall }: Pick<ValidPacketProof, 'level' | 'shortfall'>,
): string | undefined {
  return proofLevels.indexOf(level) < proofLevels.indexOf(required)
    ? `the proof is ${level}, and ${required} is required: ${shortfall ?? 'it is as high as it can be'}`
    : undefined
}

/** Members of a message that stand in no line. */
function saidByNode({ type }: LineMessage): string[] {
  return type === 'event'
    ? ['certification, overlayMetadata and processingEvidence: the node says them, and no line holds them']
    : []
}

/** What stays open about the lines before one, in words. */
function missingBefore(before: Standing | Lost | undefined, notDense: string | null): string[] {
  const open = (why: string) => [`whether anything is missing before it: ${why}`]
  if (notDense !== null) return open(notDense)
  if (before === undefined) return open('this is the first that was read of its partition')
  return 'notBefore' in before ? open('what came before it could not be checked') : []
}

const gapIsWord = 'why something is missing: that is what the node says'

/**
 * Whether so many packets, of which `previous` is the last one and stands behind `after`, have no line to tell of; else what
 * speaks against it. Each names the one before it, so nobody can leave one out.
 */
export async function haveNoLines(
  {
    count,
    previous,
    after,
  }: { readonly count: number; readonly previous: string; readonly after: string | null },
  packets: Pick<PacketSource, 'proof'>,
  required: ProofLevel,
): Promise<true | string> {
  if (count > EMPTY_IN_A_ROW_MAX) return 'that is more than there are empty ones in a row'
  let packetId = previous
  for (let left = count; left > 0; left--) {
    const fetched = await packets.proof(packetId)
    if (fetched.kind === 'invalid') return fetched.detail
    if (fetched.kind === 'missing') return fetched.refusal.detail
    const { packet } = fetched.value
    // Whoever has the log's key can certify a packet as empty, with operators that nobody trusts.
    const shortfall = shortOf(required, fetched.value)
    if (shortfall !== undefined) return `of packet ${packet.packetNo} ${shortfall}`
    if (packet.output.count > 0) return `packet ${packet.packetNo} has ${packet.output.count} lines`
    if (left === 1) return after === null || packet.previous === after ? true : 'they build on another packet'
    if (packet.previous === null) return `packet ${packet.packetNo} is the first one`
    packetId = packet.previous
  }
  return true
}

function broken(detail: string): Found {
  return { kind: 'refused', code: 'sequence-broken', detail }
}

function refusedBy(fetched: Exclude<Fetched<unknown>, { kind: 'fetched' }>): Found {
  return fetched.kind === 'invalid'
    ? { kind: 'refused', code: 'proof-invalid', detail: fetched.detail }
    : { kind: 'refused', code: 'proof-missing', detail: fetched.refusal.detail }
}
