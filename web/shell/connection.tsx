import { clockTime } from '../parts/time.tsx'
import type { Pulse } from './pulse.ts'

/** One line that says whether the node answers, and which chain it works on. */
export function Connection({ pulse }: { readonly pulse: Pulse }) {
  const node = pulse.kind === 'asking' ? undefined : pulse.node
  return (
    <div class="connection" title="from /health/live, asked about every second">
      <p role="status" class={`pulse ${pulse.kind}`}>
        {pulse.kind === 'asking' && 'Asking the node…'}
        {pulse.kind === 'here' && 'Node answers'}
        {pulse.kind === 'silent' && `No answer since ${clockTime(pulse.sinceMs)}`}
      </p>
      {node !== undefined && (
        <p class="network">
          {node.network} chain{node.economicFinality ? '' : ' · no economic finality'}
        </p>
      )}
    </div>
  )
}
