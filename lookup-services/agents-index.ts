import type { Outpoint } from '../src/core/rounds/pipeline.ts'
import type { ListPosition } from './cursor.ts'
import type { SpentOutputIndex } from './output-index.ts'

/** What `ls_gitdata_agents` looks things up in. */
export type AgentsIndex = SpentOutputIndex<AgentEntry> & {
  /** In the order asked for, by (admittedMs, txid, vout), beginning after the position given. */
  find(query: AgentsQuery): Promise<ListedAgent[]>
}

/** What its token says. */
export type AgentEntry = Outpoint & {
  readonly agentKey: string
  readonly operator: string
  readonly operatorFromMs: number
  readonly operatorToMs: number
  readonly capabilities: readonly string[]
  readonly endpoints: readonly string[]
  readonly packetsMax: number
  readonly bytesMax: number
  readonly satoshisPerThousandEvents: number
  readonly region?: string | undefined
  readonly expiresMs: number
}

export type ListedAgent = AgentEntry & { readonly admittedMs: number; readonly spent: boolean }

/** Adverts that fit all the members given. */
export type AgentsQuery = {
  readonly capability?: string | undefined
  readonly operator?: string | undefined
  readonly agentKey?: string | undefined
  readonly region?: string | undefined
  /** Satoshis per thousand events, at most. */
  readonly maxPrice?: number | undefined
  /** Takes rounds of so many packets and bytes. */
  readonly packets?: number | undefined
  readonly bytes?: number | undefined
  /** That expire after this. */
  readonly expiresAfterMs?: number | undefined
  /**
   * `current`: of the adverts that an agent has not withdrawn, the one that expires last; of those, the one admitted
   * last. It alone counts, whatever else is asked.
   */
  readonly which: 'current' | 'all'
  readonly order: 'asc' | 'desc'
  readonly limit: number
  readonly after?: ListPosition | undefined
}
