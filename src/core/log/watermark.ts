/** Up to where a partition is complete in event time, as far as what has come can tell. */
export function watermarkOf(
  head: { readonly eventMsMax: number | null; readonly watermarkMs: number },
  latenessMs: number,
): number {
  return Math.max(head.watermarkMs, (head.eventMsMax ?? 0) - latenessMs)
}
