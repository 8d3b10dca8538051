import { useAnswer } from '../ask/use-answer.ts'
import { count } from '../parts/figure.tsx'
import { NoAnswer } from '../parts/notice.tsx'
import { useAskAs } from '../sign-in/ask-signed.ts'
import type { Signer } from '../sign-in/identity.ts'
import { usage } from './shapes.ts'

/** Every card asks for itself, and signs for it. */
const LOOK_MS = 10_000

/** How much was sent, of as much as may be: as of now, while somebody looks. */
export function Usage({ signer, path }: { readonly signer: Signer; readonly path: string }) {
  const { answer, known } = useAnswer(path, usage, LOOK_MS, { asks: useAskAs(signer) })
  if (known === undefined) return answer === undefined ? null : <NoAnswer answer={answer} what="Usage" />
  return (
    <p class="source">
      {known.windows.map(({ window, events, bytes, eventsMax, bytesMax }) => (
        <span key={window}>
          This {window}: {of(events, eventsMax)} events, {of(bytes, bytesMax)} bytes.{' '}
        </span>
      ))}
      From /publishers/…/usage, every ten seconds.
    </p>
  )
}

function of(used: number, most: number | null): string {
  return `${count(used)}${most === null ? '' : ` of ${count(most)}`}`
}
