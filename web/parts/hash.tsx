import { CopyButton } from './copy.tsx'

/** A hash or key: enough of it to tell it apart, all of it in the title and when it is copied. */
export function Hash(props: {
  readonly value: string | null
  readonly href?: string
  readonly name: string
}) {
  const { value, href, name } = props
  if (value === null) return <span class="unknown">not yet known</span>
  const shown = <code title={value}>{shortened(value)}</code>
  return (
    <span class="hash">
      {href === undefined ? shown : <a href={href}>{shown}</a>}
      <CopyButton text={value} what={name} />
    </span>
  )
}

export function shortened(value: string): string {
  return value.length > 20 ? `${value.slice(0, 8)}…${value.slice(-6)}` : value
}
