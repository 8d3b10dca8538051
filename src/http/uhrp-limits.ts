export type UhrpLimits = {
  readonly readsAtOnceMax: number
  readonly uploadsAtOnceMax: number
  /** So long a reader may take nothing of its answer, and an uploader send nothing of its body. */
  readonly silenceMsMax: number
  /** A reader that takes less in a second, counted over the whole answer, is cut off. */
  readonly readBytesPerSecondMin: number
  /** An uploader that sends less, counted over the whole body, is cut off. */
  readonly uploadBytesPerSecondMin: number
  /** What is restricted and longer is read with a ticket: a signed answer is made in one piece, in memory. */
  readonly directBytesMax: number
  readonly objectBytesMax: number
  readonly retentionMsMax: number
  /** Of an agent's output, unless the coordinator wants it longer. */
  readonly outputRetentionMs: number
  readonly listedMax: number
}

export const uhrpLimits: UhrpLimits = {
  readsAtOnceMax: 128,
  uploadsAtOnceMax: 32,
  silenceMsMax: 10_000,
  readBytesPerSecondMin: 16 * 1024,
  uploadBytesPerSecondMin: 16 * 1024,
  directBytesMax: 1024 * 1024,
  objectBytesMax: 1024 * 1024 * 1024,
  retentionMsMax: 366 * 86_400_000,
  outputRetentionMs: 7 * 86_400_000,
  listedMax: 1000,
}
