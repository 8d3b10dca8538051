import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSessionStore, sessionLimits } from '../../../src/adapters/auth/session-store.ts'
import type { Database } from '../../../src/adapters/postgres/database.ts'
import { migratedDatabase } from '../../support/migrated-database.ts'

const sessionsPerPeerMax = 3

let database: Database
beforeEach(async () => {
  database = await migratedDatabase()
})
afterEach(() => database.close())

test('sessions of one peer that are added at once leave no more of them than one may have', async () => {
  const { pool } = database
  const store = openSessionStore(pool, Date.now, { ...sessionLimits, sessionsPerPeerMax })
  const peers = ['02'.padEnd(66, 'a'), '03'.padEnd(66, 'b')]
  const added = peers.flatMap(identityKey => Array.from({ length: 20 }, () => sessionOf(identityKey)))
  expect(new Set(await Promise.all(added.map(session => store.add(session))))).toEqual(new Set(['added']))

  const { rows } = await pool.query<{ peer: string; sessions: number }>(
    `select encode(identity, 'hex') as peer, count(*) as sessions from auth_sessions group by identity order by 1`,
  )
  expect(rows).toEqual(peers.map(peer => ({ peer, sessions: sessionsPerPeerMax })))
  // The one that was added last is among them.
  for (const peer of peers) {
    const last = added.findLast(({ identityKey }) => identityKey === peer)
    expect(await store.find(last?.sessionNonce ?? '')).toEqual(last)
  }
})

function sessionOf(identityKey: string) {
  return { sessionNonce: nonce(), identityKey, peerNonce: nonce() }
}

function nonce(): string {
  return randomBytes(48).toString('base64')
}
