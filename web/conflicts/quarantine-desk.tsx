import { useState } from 'preact/hooks'
import type { Answer } from '../ask/ask.ts'
import { NoAnswer } from '../parts/notice.tsx'
import { HeldDesk } from './held-desk.tsx'
import { operatorsHoldings } from './holdings.ts'
import { hasToken, rememberToken } from './operator-call.ts'

/** For operators: what is held, one by one, to be looked at, mended, let in or given up. */
export function QuarantineDesk() {
  const [isIn, setIn] = useState(hasToken)
  return (
    <section class="card" aria-labelledby="desk">
      <div class="card-head">
        <h2 id="desk">Held of everybody, for operators</h2>
        {isIn && (
          <button
            type="button"
            onClick={() => {
              rememberToken(undefined)
              setIn(false)
            }}
          >
            Forget the token
          </button>
        )}
      </div>
      {isIn ? <HeldDesk holdings={operatorsHoldings} /> : <TokenForm given={() => setIn(true)} />}
    </section>
  )
}

function TokenForm({ given }: { given(): void }) {
  const [token, setToken] = useState('')
  const [refused, setRefused] = useState<Answer<unknown>>()
  const enter = async (event: Event) => {
    event.preventDefault()
    rememberToken(token.trim())
    const answer = await operatorsHoldings.list('held', null)
    if (answer.kind === 'there') return given()
    rememberToken(undefined)
    setRefused(answer)
  }
  return (
    <form class="fields" onSubmit={enter}>
      <p class="quiet">
        Operators of this node see what was sent, and decide. The token is ADMIN_TOKEN of the node; this page
        keeps it until it is left, and nowhere else.
      </p>
      <div>
        <label class="field-label" for="token">
          Operator's token
        </label>
        <div class="search-row">
          <input
            id="token"
            type="password"
            autocomplete="off"
            value={token}
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
          />
          <button type="submit" class="first" disabled={token.trim() === ''}>
            Open
          </button>
        </div>
      </div>
      {refused !== undefined && <NoAnswer answer={refused} what="The node does not let you in" />}
    </form>
  )
}
