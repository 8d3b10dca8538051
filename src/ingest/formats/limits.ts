import { JSON_DEPTH_MAX } from '../../core/canonical-writer.ts'

/** Of one line of NDJSON, one row of CSV, or the one event of a body. No event's line in the log is longer. */
export const RECORD_BYTES_MAX = 2 * 1024 * 1024
/** Of a body that is read as a whole; more goes as NDJSON or CSV, which are read as they come. */
export const WHOLE_BODY_BYTES_MAX = 8 * 1024 * 1024
/** Of a body that is read as a whole. */
export const WHOLE_BODY_ITEMS_MAX = 10_000
/**
 * Members and elements of one JSON body, and empty objects and lists. By the million they are few bytes, and take long
 * to parse and much memory.
 */
export const JSON_PARTS_MAX = 1_000_000
/** Beyond this a body is not parsed at all: what the parser needs for a level is little, and yet too much a million times. */
export const BODY_DEPTH_MAX = 10_000
/** No item that nests deeper has a canonical form. */
export const ITEM_DEPTH_MAX = JSON_DEPTH_MAX

/** Of one batch of a body that is read as it comes. */
export const BATCH_ITEMS_MAX = 1_000
/** Of one batch of a body that is read as it comes; it can be so much longer as one record is. */
export const BATCH_BYTES_MAX = 1024 * 1024
