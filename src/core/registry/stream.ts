import type { Audience } from '../audience.ts'
import type { Level } from '../level.ts'
import type { Pointer } from '../path.ts'
import type { PolicySet } from '../policy/policy-set.ts'
import type { StreamSearch } from '../search/search-terms.ts'
import type { Limits } from './limits.ts'

/** An ordered feed of one or several sources. */
export type Stream = {
  readonly streamId: string
  /** Fixed when it is created. */
  readonly audience: Audience
  /** What its events are certified at where their request asks for nothing else. */
  readonly level: Level
  /** Changing it opens other partitions. */
  readonly shards: { readonly by: 'key' | 'event-id'; readonly count: number }
  readonly domain: string
  /** Field of the payload that events belong together by; without it, the stream is one key. */
  readonly partitionKey?: Pointer
  readonly policy: PolicySet
  readonly policyDigest: string
  /** Counts up with each change of policy: an append that knows an older one is refused and built again. */
  readonly policyNo: number
  /** Keys of the operators whose agents may certify it; empty for those of the node. */
  readonly operators: readonly string[]
  /** Dotted names under which its events are followed. */
  readonly topics: readonly string[]
  readonly tenantId?: string
  /** The publisher who may change it as its own; without one, operators alone. */
  readonly ownerKey?: string
  /** Tags that its owner has allowed into a public stream. */
  readonly openTags: readonly string[]
  /** So long events may come after later ones and still be in time. */
  readonly latenessMs: number
  /** Nothing of one that is not is shown or certified; what comes is refused. */
  readonly published: boolean
  readonly limits: Limits
  /** Windows and rollups over its certified packets; without it, none. */
  readonly aggregate?: StreamAggregates
  /** What of its payloads readers can search; nothing without it. */
  readonly search?: StreamSearch
  /** Identity keys that may read a restricted stream. */
  readonly readers: readonly string[]
  /** 32 bytes; of restricted streams only. */
  readonly blindKey?: Uint8Array
}

/** Windows cover so much event time, and a rollup so many of them. */
export type StreamAggregates = { readonly windowMs: number; readonly rollupEvery?: number }

export const latenessMsDefault = 2_000
