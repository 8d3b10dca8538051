/** Agents that did not all say the same of one packet, at one stage. */
export type Conflict = {
  readonly jobTxid: string
  readonly packetId: string
  readonly streamId: string
  readonly partition: number
  readonly packetNo: number
  readonly roundId: string
  readonly stage: string
  readonly level: string
  readonly policyDigest: string
  readonly decision: 'agreed' | 'retried' | 'split'
  readonly leaf: string | null
  readonly reason: string
  readonly decidedMs: number
  readonly votes: readonly Vote[]
  readonly state: string
  readonly versionId: string | null
}

type Vote = {
  readonly operator: string
  readonly agentKey: string
  readonly leaf: string | null
  readonly status: string
  readonly resultTxid: string
  readonly outputHash: string | null
}

/** `<txid of the job>.<packetId>`. */
export function conflictId({ jobTxid, packetId }: Pick<Conflict, 'jobTxid' | 'packetId'>): string {
  return `${jobTxid}.${packetId}`
}

export function readConflictId(id: string): Pick<Conflict, 'jobTxid' | 'packetId'> | undefined {
  const [, jobTxid, packetId] = /^([0-9a-f]{64})\.([0-9a-f]{64})$/.exec(id) ?? []
  return jobTxid === undefined || packetId === undefined ? undefined : { jobTxid, packetId }
}

/** What stands, if anything does, and who said otherwise. */
export function shownConflict(conflict: Conflict) {
  const { jobTxid, packetId, streamId, partition, packetNo, roundId, stage, level, policyDigest } = conflict
  const { decision, leaf, reason, decidedMs, votes, state, versionId } = conflict
  const stands = votes.find(vote => isFor(leaf, vote))
  return {
    conflictId: conflictId(conflict),
    ...{ packetId, streamId, partition, packetNo, roundId, jobTxid, stage, level, policyDigest },
    ...{ decision, reason, decidedMs },
    stands: leaf === null ? null : { leaf, outputHash: stands?.outputHash ?? null },
    votes: votes.map(vote => shownVote(vote, isFor(leaf, vote))),
    // Where nothing stands, nobody has departed from it.
    dissenters: leaf === null ? [] : votes.filter(vote => !isFor(leaf, vote)).map(({ operator }) => operator),
    packet: { state, versionId },
  }
}

function isFor(leaf: string | null, vote: Vote): boolean {
  return leaf !== null && vote.leaf === leaf && vote.status === 'completed'
}

function shownVote({ operator, agentKey, leaf, status, resultTxid, outputHash }: Vote, agrees: boolean) {
  return { agentId: agentKey, operator, status, leaf, outputHash, resultTxid, agrees }
}
