/** Times of day on the reader's clock, with the whole of it in the title. */
export function clockTime(ms: number): string {
  return new Date(ms).toLocaleTimeString(undefined, { hour12: false })
}

export function When({ ms }: { readonly ms: number | null }) {
  if (ms === null) return <span class="unknown">not yet known</span>
  const date = new Date(ms)
  if (Number.isNaN(date.getTime())) return <span>{ms} ms after 1970, which is beyond any calendar</span>
  return (
    <time dateTime={date.toISOString()} title={date.toISOString()}>
      {date.toDateString() === new Date().toDateString() ? '' : `${date.toLocaleDateString()} `}
      {clockTime(ms)}
    </time>
  )
}

/** How long: 340 ms, 2.4 s, 5 min, 3 h, 2 d. */
export function span(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`
  if (ms < 86_400_000) return `${Math.round(ms / 3_600_000)} h`
  return `${Math.round(ms / 86_400_000)} d`
}
