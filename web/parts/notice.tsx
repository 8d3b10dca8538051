import type { ComponentChildren } from 'preact'
import type { Answer } from '../ask/ask.ts'

/** Something that has to be said in place of what was asked for. */
export function Notice(props: {
  readonly title: string
  readonly kind?: 'plain' | 'warn' | 'bad' | 'good'
  readonly children?: ComponentChildren
}) {
  const { title, kind = 'plain', children } = props
  return (
    <div class={`notice ${kind}`} role={kind === 'bad' ? 'alert' : undefined}>
      <p class="notice-title">{title}</p>
      {children !== undefined && <div class="notice-text">{children}</div>}
    </div>
  )
}

/** Why there is no answer, in the node's own words. */
export function NoAnswer({ answer, what }: { readonly answer: Answer<unknown>; readonly what: string }) {
  if (answer.kind === 'there') return null
  if (answer.kind === 'unreachable')
    return (
      <Notice title={`${what}: the node does not answer`} kind="warn">
        {answer.why}
      </Notice>
    )
  return (
    <Notice title={`${what}: answered with ${answer.status}`} kind="warn">
      <p>{answer.why}</p>
      {answer.next !== undefined && <p>Next: {answer.next}</p>}
    </Notice>
  )
}
