import { useState } from 'preact/hooks'
import { ask } from '../ask/ask.ts'
import { anything, list, object, text } from '../ask/shapes.ts'
import type { TrustWritten } from './trust-lists.ts'

const identity = object({ logKey: text, network: text })
const agents = object({ agents: list(object({ operator: text })) })

/** For a first look: what this node says of itself. It is never asked unless somebody wants to. */
export function NodeSays({ take }: { take(written: Partial<TrustWritten>): void }) {
  const [said, setSaid] = useState<string>()
  const askNode = async () => {
    const [own, known] = [await ask('/identity', identity), await ask('/agents', agents)]
    if (own.kind !== 'there' || known.kind !== 'there') return setSaid('The node did not say.')
    const { logKey, network } = own.value
    const operators = [...new Set(known.value.agents.map(({ operator }) => operator))].sort()
    const headers = network === 'local' ? await ask('/chain/headers?format=json', anything) : undefined
    take({
      logs: `${logKey} # as this node says\n`,
      operators: operators.map(key => `${key} # as this node says\n`).join(''),
      ...(headers?.kind === 'there' && { headers: JSON.stringify(headers.value), allowLocal: true }),
    })
    setSaid(
      headers?.kind === 'there'
        ? "Filled in, with the headers of this node's private chain. This is the node's own word: good for a first look, and no proof to others."
        : "Filled in. This is the node's own word: take the keys from somebody else for a proof. Headers are yours to bring.",
    )
  }
  return (
    <div class="row">
      <button type="button" onClick={askNode}>
        Fill in what this node says of itself
      </button>
      <span class="quiet" role="status">
        {said ??
          'The only button of this page that asks the node: /identity, /agents and, of a local chain, its headers.'}
      </span>
    </div>
  )
}
