import type { Tip } from '../chain.ts'

/** Somebody who has the network's headers, and may be behind, away or lying. */
export type HeaderSource = {
  /** For messages: what it is, and where. `signal`: whoever asks wants no answer any more. */
  readonly name: string
  /** The last block of what it takes for the best chain. */
  tip(signal: AbortSignal): Promise<Tip>
  /** Headers at these heights, 80 bytes each: in any order, and of other branches too, if it has them. */
  headers(from: number, count: number, signal: AbortSignal): Promise<readonly Uint8Array[]>
}
