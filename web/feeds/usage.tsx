import { count } from '../parts/figure.tsx'
import { NoAnswer } from '../parts/notice.tsx'
import { useSigned } from '../sign-in/ask-signed.ts'
import type { Signer } from '../sign-in/identity.ts'
import { usage } from './shapes.ts'

/** How much of what is allowed was used. */
export function Usage({ signer, path }: { readonly signer: Signer; readonly path: string }) {
  const { answer } = useSigned(signer, path, usage)
  if (answer === undefined) return null
  if (answer.kind !== 'there') return <NoAnswer answer={answer} what="Usage" />
  const counted = answer.value.windows.filter(({ isCounted }) => isCounted)
  if (counted.length === 0)
    return <p class="source">Nothing is limited here, so nothing is counted (from /publishers/…/usage).</p>
  return (
    <p class="source">
      {counted.map(({ window, events, bytes, eventsMax, bytesMax }) => (
        <span key={window}>
          This {window}: {of(events, eventsMax)} events, {of(bytes, bytesMax)} bytes.{' '}
        </span>
      ))}
      From /publishers/…/usage.
    </p>
  )
}

function of(used: number | null, most: number | null): string {
  return `${used === null ? 'not yet known' : count(used)}${most === null ? '' : ` of ${count(most)}`}`
}
