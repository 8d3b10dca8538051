import type { AuthFetch } from '@bsv/sdk'
import { expect } from 'vitest'
import { type Party, party } from './pipeline.ts'
import { runningNode, type TestNode } from './running-node.ts'
import { authFetchOf } from './stock-auth.ts'

/** A node, and publishers who use it with the stock client. */
export type PublisherBed = {
  readonly node: TestNode
  as(who: Party): Publisher
  end(): Promise<void>
}

export type Publisher = {
  readonly identityKey: string
  ask(method: string, path: string, body?: unknown): Promise<Answered>
  /** Registers a feed, or fails. */
  register(more?: object): Promise<Registered>
}

export type Answered = { readonly status: number; readonly body: Record<string, unknown> }
export type Registered = { readonly feed: Shown; readonly stream: Shown; readonly secret: string }
type Shown = Record<string, unknown> & {
  readonly version: string
  readonly feedId: string
  readonly streamId: string
}

export async function openPublisherBed(env: Readonly<Record<string, string>> = {}): Promise<PublisherBed> {
  const node = await runningNode(env)
  const clients = new Map<string, AuthFetch>()
  const as = (who: Party): Publisher => {
    const client = clients.get(who.identityKey) ?? authFetchOf(who)
    clients.set(who.identityKey, client)
    const ask: Publisher['ask'] = async (method, path, body) => {
      const response = await client.fetch(node.url + path, {
        method,
        ...(body !== undefined && {
          headers: { 'Content-Type': 'application/json' },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
      })
      return { status: response.status, body: Object(await response.json()) }
    }
    return {
      identityKey: who.identityKey,
      ask,
      async register(more = {}) {
        const made = await ask('POST', '/publishers/feeds', { name: 'Weather, Berlin', ...more })
        expect(made).toMatchObject({ status: 201 })
        return made.body as unknown as Registered
      },
    }
  }
  return { node, as, end: node.end }
}

export const publisherCalled = (name: string): Party => party(name)
