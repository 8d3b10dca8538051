import { count } from '../parts/figure.tsx'
import { NoAnswer } from '../parts/notice.tsx'
import { useSigned } from '../sign-in/ask-signed.ts'
import type { Signer } from '../sign-in/identity.ts'
import { usage } from './shapes.ts'

/** How much was sent, of as much as may be. */
export function Usage({ signer, path }: { readonly signer: Signer; readonly path: string }) {
  const { answer } = useSigned(signer, path, usage)
  if (answer === undefined) return null
  if (answer.kind !== 'there') return <NoAnswer answer={answer} what="Usage" />
  return (
    <p class="source">
      {answer.value.windows.map(({ window, events, bytes, eventsMax, bytesMax }) => (
        <span key={window}>
          This {window}: {of(events, eventsMax)} events, {of(bytes, bytesMax)} bytes.{' '}
        </span>
      ))}
      From /publishers/…/usage.
    </p>
  )
}

function of(used: number, most: number | null): string {
  return `${count(used)}${most === null ? '' : ` of ${count(most)}`}`
}
