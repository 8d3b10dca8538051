import * as z from 'zod'

/** In one page. */
export const SYNC_ITEMS_MAX = 64
/** Of BEEFs and off-chain values, unless one item alone is longer. */
export const SYNC_PAGE_BYTES = 2 * 1024 * 1024
/** A page whose last item has a BEEF and off-chain values of the greatest length, in base64. */
export const SYNC_ANSWER_BYTES_MAX = 16 * 1024 * 1024

/** A place in the order of one database's feed; opaque to everybody else. */
export const syncCursor = z.string().regex(/^[\w.-]{1,200}$/, 'not a cursor that a page has given')

/** What GET /sync answers. */
export const syncPage = z.object({
  items: z
    .array(
      z.object({
        txid: z.string().regex(/^[0-9a-f]{64}$/),
        /** Null where it cannot be sent at the moment. */
        beef: z.base64().nullable(),
        offChainValues: z.base64().optional(),
        /** Asked for with this, the page begins behind the item. */
        cursor: syncCursor,
      }),
    )
    .max(SYNC_ITEMS_MAX),
  /** What to ask with next. */
  cursor: syncCursor,
  /** Whether there was more when this was answered. */
  more: z.boolean(),
})

export type SyncPage = z.output<typeof syncPage>
