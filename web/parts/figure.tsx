import type { ComponentChildren } from 'preact'

/** A number with what it counts, and where it comes from. */
export function Figure(props: {
  readonly label: string
  /** Undefined: not yet known. */
  readonly value: ComponentChildren | undefined
  readonly from: string
  readonly tone?: 'good' | 'warn' | 'bad' | undefined
  readonly note?: ComponentChildren
}) {
  const { label, value, from, tone, note } = props
  return (
    <div class={`figure ${tone ?? ''}`} title={from}>
      <dt>{label}</dt>
      <dd>
        {value === undefined ? (
          <span class="unknown">not yet known</span>
        ) : (
          <span class="figure-value">{value}</span>
        )}
        {note !== undefined && <span class="figure-note">{note}</span>}
        <span class="figure-from">{from}</span>
      </dd>
    </div>
  )
}

/** Where the numbers of a section come from. */
export function Source({ children }: { readonly children: ComponentChildren }) {
  return <p class="source">{children}</p>
}

const grouped = new Intl.NumberFormat('en-GB')
const short = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 })

/** 12,345; and from ten million on 12.3M. */
export function count(value: number): string {
  return value < 10_000_000 ? grouped.format(Math.round(value)) : short.format(value)
}

export function rate(perSecond: number): string {
  if (perSecond === 0) return '0'
  return perSecond < 10 ? perSecond.toFixed(1) : count(perSecond)
}
