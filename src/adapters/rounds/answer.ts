import type { ResultStatus } from '../../core/rounds/pipeline.ts'

/** An answer to a job of ours that the network has. */
export type Answer = {
  readonly txid: string
  readonly answeredJob: string
  readonly vout: number
  readonly agentKey: string
  readonly status: ResultStatus
  readonly leaves: string
  readonly workHash: string
  readonly evidenceHash: string
  readonly stage: string
  /** Of its job. */
  readonly members: readonly number[]
  readonly outputBytesMax: number
  /** Null: it is not taken down yet. */
  readonly work: 'unchecked' | 'held' | 'void' | null
  readonly isOfJob: boolean
  /** When a node of ours admitted it, however much later it is looked at. */
  readonly arrivedMs: number
  /** It came here after the deadline; one that came before is in time, also where others were enough. */
  readonly isLate: boolean
  /** Its job was decided without it. */
  readonly isAfterDecision: boolean
  readonly spent: boolean
}
