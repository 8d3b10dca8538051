import type { Request } from 'express'
import type { Pool } from 'pg'
import type { FeedDeps } from '../../adapters/publishers/own-feeds.ts'
import type { ProducerDeps } from '../../adapters/publishers/producers.ts'
import type { Outcome } from '../../core/fault.ts'
import type { DryOutcome, DryRun } from '../../ingest/dry-run.ts'
import type { Authentication } from '../authentication.ts'
import type { OwnQuarantine } from './own-quarantine.ts'

export type PublisherRouteDeps = {
  readonly authentication: Authentication
  readonly pool: Pool
  readonly feeds: FeedDeps
  readonly producers: ProducerDeps
  readonly quarantine: OwnQuarantine
  /** Whether this identity may register what is not there yet. What is its own already, its publisher changes in any case. */
  mayRegister(identityKey: string): boolean
  readonly tryPolicy: TryPolicy
  now(): number
  /** Told of every change that was asked for. */
  onAsked(what: AskedChange, came: 'done' | 'refused'): void
  onFailure(error: unknown, request: Request): void
}

export type AskedChange = 'feed' | 'stream' | 'policy' | 'dry-run' | 'key' | 'identity' | 'quarantine'

/**
 * Lets an identity try a policy where that keeps nobody waiting: one of an identity at a time, and so many of all. Whatever has to be
 * read for it is read by the work, which is not begun for those who are not let in.
 */
export type TryPolicy = <T>(
  identityKey: string,
  work: (run: RunDry) => Promise<T>,
) => Promise<T | 'busy' | 'one-at-a-time'>

/** Not for longer than a few seconds. */
export type RunDry = (run: DryRun) => Promise<Outcome<DryOutcome> | 'too-costly'>
