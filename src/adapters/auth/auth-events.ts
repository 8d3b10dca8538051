/** What metrics and the log are told. */
export type AuthEvents = {
  onHandshake(outcome: 'done' | 'full'): void
  /** `code`: of the answer. */
  onRefused(code: string): void
  onSweepFailure(error: unknown): void
}
