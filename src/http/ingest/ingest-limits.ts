import { type BodyLimits, bodyLimits } from '../receive-body.ts'

export type IngestLimits = BodyLimits & {
  /** Of a body that is read whole, as it comes and once it is unpacked. */
  readonly bodyBytesMax: number
  /** Of such a body. */
  readonly itemsMax: number
  /** Items that go to the log together elsewhere. */
  readonly batchItemsMax: number
  /** Items that are answered one by one in one document. */
  readonly itemAnswersMax: number
  /** A body in lines that is longer, or does not say how long it is, is worked on as it comes. */
  readonly streamedBytesMin: number
  /** From the first byte of such a body to its last. */
  readonly streamMsMax: number
  /** What such a body may be unpacked to. One that is not packed has no such bound. */
  readonly unpackedBytesMax: number
  readonly streamsAtOnceMax: number
  readonly streamsPerAddressMax: number
  /** So long a batch waits for its turn before its request is ended. */
  readonly waitSecondsMax: number
  /** So long a client may take to read what it is answered in lines. */
  readonly answerMsMax: number
}

export const ingestLimits: IngestLimits = {
  ...bodyLimits,
  // What is made of a body takes several times its bytes.
  bytesAtOnceMax: 64 * 1024 * 1024,
  bodyBytesMax: 16 * 1024 * 1024,
  itemsMax: 20_000,
  batchItemsMax: 1_000,
  itemAnswersMax: 10_000,
  streamedBytesMin: 1024 * 1024,
  streamMsMax: 3_600_000,
  unpackedBytesMax: 8 * 1024 ** 3,
  streamsAtOnceMax: 64,
  streamsPerAddressMax: 8,
  waitSecondsMax: 30,
  answerMsMax: 60_000,
}
