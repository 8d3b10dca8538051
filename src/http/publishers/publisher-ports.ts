import type { Request } from 'express'
import type { Pool } from 'pg'
import type { FeedDeps } from '../../adapters/publishers/own-feeds.ts'
import type { ProducerDeps } from '../../adapters/publishers/producers.ts'
import type { Outcome } from '../../core/fault.ts'
import type { DryOutcome, DryRun } from '../../ingest/dry-run.ts'
import type { Authentication } from '../authentication.ts'

export type PublisherRouteDeps = {
  readonly authentication: Authentication
  readonly pool: Pool
  readonly feeds: FeedDeps
  readonly producers: ProducerDeps
  /** Whether this identity may register what is not there yet. What is its own already, its publisher changes in any case. */
  mayRegister(identityKey: string): boolean
  readonly tryPolicy: TryPolicy
  now(): number
  /** Told of every change that was asked for. */
  onAsked(what: AskedChange, came: 'done' | 'refused'): void
  onFailure(error: unknown, request: Request): void
}

export type AskedChange = 'feed' | 'stream' | 'policy' | 'dry-run' | 'key' | 'identity'

/** Tries a policy where it keeps nobody waiting. One of an identity at a time, and not for longer than a few seconds. */
export type TryPolicy = (
  identityKey: string,
  run: DryRun,
) => Promise<Outcome<DryOutcome> | 'too-costly' | 'busy' | 'one-at-a-time'>
