import { digestHex } from '../../../../src/core/digest.ts'
import type { ChainPlace } from '../../../../src/core/rounds/coordinating/standing.ts'
import type { SentJob } from '../../../../src/core/rounds/coordinating/thread.ts'
import { stagesOf } from '../../../../src/core/rounds/template.ts'
import type { Choices } from './choices.ts'

export const stages = stagesOf('packet')

/** ok: honest agents agree. flaky: every operator answers differently, at one stage. poison: agents crash on it. */
export type SimulatedPacket = {
  readonly packetId: string
  readonly name: string
  readonly partition: string
  readonly packetNo: number
  readonly kind: 'ok' | 'flaky' | 'poison'
  readonly flakyStage: number
}

/** What agents get beside the job: the round document, and the leaves of the stage before by member. */
export type Assignment = {
  readonly packets: readonly SimulatedPacket[]
  readonly starts: ReadonlyMap<string, ChainPlace>
  readonly inputLeaves: ReadonlyMap<number, string>
}

/** Everything that agents ever put behind a leaf; who is asked for the bytes of a leaf finds them here. */
export type Outputs = {
  readonly stateOut: Map<string, string>
  /** The state a validation really started from, by its leaf. */
  readonly stateUsed: Map<string, string | null>
  readonly manifests: Map<string, Manifest>
}

export type Manifest = ChainPlace & {
  readonly validated: string
  readonly stateOut: string | null
  readonly isLie: boolean
}

export type Lying = 'not' | 'about-one' | 'colluding'

export function hash(...parts: readonly (string | number | null)[]): string {
  return digestHex('assay:simulated:1', ...parts.map(part => `${part}`))
}

/** An agent's leaves for a job: state and parents are carried along each partition, from its own answers. */
export function answer(
  operator: string,
  job: SentJob,
  { packets, starts, inputLeaves }: Assignment,
  lying: Lying,
  outputs: Outputs,
  choices: Choices,
): string[] {
  const { members, stage } = job.role.facts
  const state = new Map([...starts].map(([partition, start]) => [partition, start.stateIn]))
  const parents = new Map([...starts].map(([partition, start]) => [partition, start.parent]))
  const lieAt = lying === 'about-one' ? choices.pick(members.length) : -1

  return members.map((member, at) => {
    const packet = packets[member]
    if (packet === undefined) throw new Error(`the round has no packet ${member}`)
    const { partition, packetId } = packet
    const input = inputLeaves.get(member) ?? ''
    const own = packet.kind === 'flaky' && stages[packet.flakyStage] === stage ? operator : ''
    const isLie = lying === 'colluding' || at === lieAt
    const lie = hash('lie', packetId, stage, lying === 'colluding' ? '' : operator)
    const stateIn = state.get(partition) ?? null

    if (stage === 'normalize') return isLie ? lie : hash('normalized', packetId, own)
    if (stage === 'validate') {
      const honest = hash('validated', packetId, input, stateIn, own)
      const leaf = isLie ? lie : honest
      const stateOut = hash('state', leaf)
      if (!isLie) outputs.stateUsed.set(leaf, stateIn)
      outputs.stateOut.set(leaf, stateOut)
      state.set(partition, stateOut)
      return leaf
    }
    const parent = parents.get(partition) ?? null
    const versionId = isLie ? lie : hash('version', packetId, input, parent?.versionId ?? null, stateIn, own)
    const stateOut = outputs.stateOut.get(input) ?? null
    outputs.manifests.set(
      versionId,
      isLie
        ? { validated: input, parent: null, stateIn: 'lie', stateOut: 'lie', isLie }
        : { validated: input, parent, stateIn, stateOut, isLie },
    )
    state.set(partition, stateOut)
    parents.set(partition, { packetId, versionId })
    return versionId
  })
}
