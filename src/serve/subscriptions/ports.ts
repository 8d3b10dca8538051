import type { Reader } from '../../core/registry/may-read.ts'
import type { LiveFilter } from '../live/live-filter.ts'
import type { ReadEnds, ReadOldest, ReadPieces } from '../live/piece.ts'
import type { KnownPartition } from '../live/ports.ts'
import type { SealedPositions } from '../live/resume-token.ts'
import type { Answer, DeliveryState } from './after-answer.ts'
import type { StatusReason } from './subscription.ts'

/** A webhook that this process delivers to. Nobody else writes to its row, but whoever takes it away. */
export type Held = {
  readonly subscriptionId: string
  /** Nothing is written where another one has been given out since. */
  readonly holdToken: number
  readonly ownerKey: string
  readonly filter: LiveFilter
  readonly callbackUrl: string
  readonly consent: 'pending' | 'given'
  readonly ratePerMinute: number | null
  readonly position: string
  readonly pending: Pending | null
  readonly state: DeliveryState
  readonly nextTryMs: number
}

/** A delivery by the id that receivers know it by, and where its reader stands with it. */
export type Pending = { readonly webhookId: string; readonly position: string }

export type DeadLetter = {
  readonly number: number
  readonly webhookId: string
  readonly from: string
  readonly until: string
}

/** What is written of a subscription after a try; what is not named stays. */
export type Settled = {
  readonly position?: string
  /** Null: nothing is under way any more. */
  readonly pending?: null
  readonly state: DeliveryState
  readonly nextTryMs: number
  readonly lastError: string | null
  /** Deliveries that have arrived. */
  readonly arrived: 0 | 1
  readonly ends?: { readonly status: 'paused' | 'expired'; readonly reason: StatusReason }
}

/** What delivering asks of the database. All that is written for one that is held says false where it is not ours any more. */
export type DeliveryStore = {
  /** This process is there for a while longer. Resolves with the tokens of what it still holds, by subscription. */
  stay(holder: string): Promise<ReadonlyMap<string, number>>
  /** It is not there any more, and what it held is anybody's. */
  leave(holder: string): Promise<void>
  /** Webhooks that are active, and that no process holds which is there; or this one, and does not know of it. */
  take(holder: string, limit: number, known: readonly string[]): Promise<readonly Held[]>
  /** Webhooks that are active, and that no process holds which is there. */
  countUnheld(): Promise<number>
  /** From then on the delivery is tried under this id, from here up to its place, by whoever holds it. */
  begin(held: Held, pending: Pending, from: string): Promise<boolean>
  settle(held: Held, settled: Settled): Promise<boolean>
  /** Consent is given, at so many deliveries a minute at most where that is said. */
  consented(held: Held, ratePerMinute: number | null): Promise<boolean>
  /** The message under way is a dead letter, and its reader is past it; 'full' where no more are kept. */
  setAside(held: Held, settled: Settled, letter: NewDeadLetter): Promise<boolean | 'full'>
  /** The one to be delivered once more that was asked for first. */
  letterDue(held: Held): Promise<DeadLetter | undefined>
  /** A part of it is done with: what is left begins there, and goes under this id. */
  shortenLetter(held: Held, letter: DeadLetter): Promise<boolean>
  /** `arrived`: it is gone; else it stays, with why, until somebody asks again. */
  settleLetter(held: Held, letter: DeadLetter, outcome: 'arrived' | Answer): Promise<boolean>
  /** Those whose time is over are expired. Resolves with how many. */
  expire(): Promise<number>
}

export type NewDeadLetter = {
  readonly webhookId: string
  readonly from: string
  readonly until: string
  readonly eventIds: readonly string[]
  readonly status: number
  readonly why: string
}

export type WebhookMessage = {
  readonly webhookId: string
  readonly contentType: string
  readonly bytes: Uint8Array
}

/** Signed with all secrets that are live. Resolves with what came back; nothing is thrown for a failure. */
export type PostWebhook = (
  to: Pick<Held, 'subscriptionId' | 'callbackUrl'>,
  message: WebhookMessage,
  stop: AbortSignal,
) => Promise<Answer>

/** Resolves with the rate that the receiver allows, or with why it has not consented. */
export type AskConsent = (
  callbackUrl: string,
  stop: AbortSignal,
) => Promise<{ readonly given: true; readonly ratePerMinute: number | null } | (Answer & { given: false })>

/** How it goes with hosts, each as one owner of subscriptions knows it. */
export type HostCircuits = {
  isResting(door: string): boolean
  hasAnswered(door: string): boolean
  answered(door: string): void
  failed(door: string): void
}

export type DelivererDeps = {
  readonly store: DeliveryStore
  readonly post: PostWebhook
  readonly askConsent: AskConsent
  readonly hosts: HostCircuits
  readonly readPieces: ReadPieces
  readonly readEnds: ReadEnds
  readonly readOldest: ReadOldest
  readPartitions(): Promise<readonly KnownPartition[]>
  findReader(identityKey: string): Promise<Reader>
  readonly positions: SealedPositions
  /** Of this process. */
  readonly holder: string
  /** CloudEvents' source: whose log it is. */
  readonly source: string
  /** Pauses before each further try. */
  readonly retryMs: readonly number[]
  readonly bounds: DelivererBounds
  now(): number
  chance(): number
  newId(): string
  /** Has `look` called soon. */
  lookSoon(): void
  readonly events: DelivererEvents
}

export type DelivererBounds = {
  /** Subscriptions that one process delivers. */
  readonly heldMax: number
  /** Deliveries at the same time; to one host that answers, so many of them. */
  readonly atOnce: number
  readonly perHostAtOnce: number
  readonly batchBytes: number
  readonly partitionsMax: number
}

export type DelivererEvents = {
  onTried(outcome: 'delivered' | 'failed' | 'refused' | 'set-aside' | 'over' | 'paused'): void
  onLag(ms: number): void
  onConsent(outcome: 'given' | 'not-given'): void
  onFailure(error: unknown): void
}
