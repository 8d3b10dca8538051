import * as z from 'zod'
import type { Json } from '../canonical-json.ts'
import type { Outcome } from '../fault.ts'
import { closed, path, readAs } from '../schema.ts'

/** How several observations of one thing become one record. Canonical: defaults filled in, paths as pointers. */
export type FusionPolicy = z.output<typeof fusionShape>

const FUSION_WINDOW_MS_DEFAULT = 1_000
const FUSION_WINDOW_MS_MAX = 7 * 24 * 3_600_000
export const FUSION_WINDOWS_MAX = 10_000
const FUSION_SOURCES_MAX = 256
export const TRUST_DEFAULT = 1

/** Reads a stream's `fusion`; `{"strategy":"quorum","min":2,"priority":["sourceA","sourceB"]}` is enough. */
export function readFusion(json: Json): Outcome<FusionPolicy> {
  return readAs(fusionShape, json)
}

const sourceId = z.string().min(1).max(256)
const tolerance = z.number().min(0).default(0)

const common = {
  /** What is observed: a field of the payload, or else the event's partitionKey. */
  key: path.exactOptional(),
  windowMs: z.int().min(1).max(FUSION_WINDOW_MS_MAX).default(FUSION_WINDOW_MS_DEFAULT),
  /** How long after its end a window still waits, counted in watermark time. */
  latenessMs: z.int().min(0).max(FUSION_WINDOW_MS_MAX).default(0),
  /** Distinct sources without which nothing is decided. */
  min: z.int().min(1).max(FUSION_SOURCES_MAX),
  priority: z
    .array(sourceId)
    .max(FUSION_SOURCES_MAX)
    .refine(sources => new Set(sources).size === sources.length, 'a source is listed twice')
    .default([]),
  /** Weights by sourceId; a source that is not listed has the default, so listing it with that says nothing. */
  trust: z
    .record(sourceId, z.number().min(0).max(1_000_000))
    .refine(weights => Object.keys(weights).length <= FUSION_SOURCES_MAX, 'too many sources')
    .transform(weights =>
      Object.fromEntries(Object.entries(weights).filter(([, weight]) => weight !== TRUST_DEFAULT)),
    )
    .default({}),
  windowsMax: z.int().min(1).max(FUSION_WINDOWS_MAX).default(1_000),
}

const fusionShape = z.discriminatedUnion(
  'strategy',
  [
    closed({
      ...common,
      strategy: z.literal('quorum'),
      min: common.min.default(2),
      /** The number on which sources must agree; without it they agree on the whole payload, exactly. */
      field: path.exactOptional(),
      absolute: tolerance,
      relative: tolerance,
    }),
    closed({
      ...common,
      strategy: z.literal('priority'),
      min: common.min.default(1),
      field: path.exactOptional(),
    }),
    closed({
      ...common,
      strategy: z.literal('trust-median'),
      min: common.min.default(1),
      field: path,
    }),
  ],
  { error: 'there is no such strategy; known are quorum, priority and trust-median' },
)
