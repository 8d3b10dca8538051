import type { Mode } from '../jobs/mode.ts'
import type { Settings } from '../runtime/settings.ts'

/** What the thread is started with. */
export type FollowersData = {
  readonly settings: FollowersSettings
  readonly databaseUrl: string
  readonly connectionsMax: number
  readonly logLevel: string
  /** Undefined where nobody here certifies. */
  readonly logKey: string | undefined
  /** Whether a certifier outside is asked about what is validated. */
  readonly asksOutside: boolean
}

/** None of them is a secret. */
export const followersSettings = [
  'ASSAY_NODE_NAME',
  'ASSAY_CLOCK_OFFSET_MS',
  'ASSAY_DATA_DIR',
  'DATABASE_STATEMENT_MS_MAX',
  'UHRP_DIR',
  'UHRP_OBJECT_BYTES_MAX',
  'UHRP_FREE_BYTES_MIN',
  'EVENT_BUFFER_MS',
  'PUBLISH_MODE',
  'PACKET_BATCH_MS',
  'EVENT_OPERATORS',
] as const satisfies readonly (keyof Settings)[]

export type FollowersSettings = Pick<Settings, (typeof followersSettings)[number]>

export type ToFollowers =
  /** Something was appended. */
  | { readonly kind: 'wake' }
  /** Whether agents are asked from now on, and what is done while they are not. */
  | { readonly kind: 'mode'; readonly mode: Mode }
  | { readonly kind: 'show'; readonly id: number; readonly as: 'text' | 'json' }
  | { readonly kind: 'stop' }

export type FromFollowers =
  | { readonly kind: 'started' }
  /** A packet was made. */
  | { readonly kind: 'packet' }
  /** Metrics, as they were asked for. */
  | { readonly kind: 'shown'; readonly id: number; readonly metrics: string | readonly object[] }
  /** As the log of a process has it: one JSON object. */
  | { readonly kind: 'log'; readonly line: string }
