import type { Answer } from '../ask/ask.ts'
import { anything } from '../ask/shapes.ts'
import { askSigned } from '../sign-in/ask-signed.ts'
import type { Signer } from '../sign-in/identity.ts'
import {
  type HeldItem,
  type HeldPage,
  operatorsDecided,
  operatorsItem,
  operatorsPage,
  publishersItem,
  publishersPage,
  told,
} from './held-shape.ts'
import { askAsOperator } from './operator-call.ts'

/** What is held, as far as somebody may decide over it. */
export type Holdings = {
  /** Which routes it is asked of. */
  readonly from: string
  /** A page of those in one state, the newest first; from below an id on. */
  list(state: string, before: string | null): Promise<Answer<HeldPage>>
  look(id: string): Promise<Answer<HeldItem>>
  decide(item: HeldItem, action: 'release' | 'waive', said: object): Promise<Answer<unknown>>
}

const PAGE_ITEMS = '25'

/** Everything, for whoever has the operator's token. */
export const operatorsHoldings: Holdings = {
  from: '/admin/quarantine',
  async list(state, before) {
    const query = new URLSearchParams({ state, limit: PAGE_ITEMS, ...(before !== null && { below: before }) })
    const answer = await askAsOperator(`/admin/quarantine?${query}`, operatorsPage)
    return told(answer, ({ data: { items, below } }) => ({
      items: items.map(item => ({ ...item, feedId: item.sourceId })),
      older: below,
    }))
  },
  async look(id) {
    const answer = await askAsOperator(`/admin/quarantine/${id}`, operatorsItem)
    return told(answer, ({ data }) => ({
      ...{ ...data, feedId: data.sourceId, version: undefined },
      may: { edit: true, override: true },
    }))
  },
  decide: ({ id }, action, body) =>
    askAsOperator(`/admin/quarantine/${id}/${action}`, operatorsDecided, { method: 'POST', body }),
}

/** What is of whoever has signed in. */
export function publishersHoldings(signer: Signer): Holdings {
  return {
    from: '/publishers/quarantine',
    async list(state, before) {
      const query = new URLSearchParams({ state, limit: PAGE_ITEMS, ...(before !== null && { before }) })
      const answer = await askSigned(signer, `/publishers/quarantine?${query}`, publishersPage)
      return told(answer, ({ items, nextBefore }) => ({
        items: items.map(item => ({ ...item, receivedMs: Date.parse(item.receivedAt) })),
        older: nextBefore,
      }))
    },
    async look(id) {
      const answer = await askSigned(signer, `/publishers/quarantine/${id}`, publishersItem)
      return told(answer, ({ receivedAt, steps, ...item }) => ({
        ...{ ...item, receivedMs: Date.parse(receivedAt) },
        steps: steps.map(({ at, by, ...step }) => ({ ...step, atMs: Date.parse(at), who: by })),
      }))
    },
    decide: ({ id, version }, action, said) =>
      askSigned(signer, `/publishers/quarantine/${id}/${action}`, anything, {
        method: 'POST',
        body: { version, ...said },
      }),
  }
}
