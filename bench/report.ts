export type BenchOptions = {
  /** As few repetitions as show that the benchmark works. */
  readonly isQuick: boolean
  /** Of ingest: how much came before, for a measurement of its own. */
  readonly dedupRows?: number
  /** Of certify: whether to say where the time goes; it costs some. */
  readonly isProfiled?: boolean
}

/** What a suite has measured, for people and for programs. */
export type Report = { readonly printed: string; readonly figures: Readonly<Record<string, unknown>> }
