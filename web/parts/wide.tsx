import type { ComponentChildren } from 'preact'

/** Something that may be larger than its place: it scrolls by itself, with keys too. */
export function Wide(props: {
  readonly label: string
  readonly kind?: 'json'
  readonly children: ComponentChildren
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has no mouse has to get there to scroll it.
    <section class={`scroll ${props.kind ?? ''}`} aria-label={props.label} tabIndex={0}>
      {props.children}
    </section>
  )
}
