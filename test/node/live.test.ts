import { expect, test } from 'vitest'
import { begun, eventIdsOf, followSse, followWebSocket } from '../support/live-clients.ts'
import { runningNode } from '../support/running-node.ts'
import { until } from '../support/until.ts'

test('a node tells of what it takes in, and of what becomes of it in its other thread', async () => {
  const node = await runningNode({ BRC22_JOB_ORCHESTRATION_ENABLED: 'false' })
  const port = Number(new URL(node.url).port)
  const [sse, webSocket] = [
    await begun(followSse(port, { path: '/watch' })),
    await begun(followWebSocket(port, { path: '/watch' })),
  ]
  const answer = await fetch(`${node.url}/ingest/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      sourceId: 'src_demo',
      events: [
        { id: 'e1', temp: 20 },
        { id: 'e2', temp: 21 },
      ],
    }),
  })
  expect(answer.status).toBe(200)
  for (const client of [sse, webSocket]) {
    await until(() => client.messages.some(({ type }) => type === 'validated'))
    expect(eventIdsOf(client, 'received')).toHaveLength(2)
    expect(client.messages.find(({ type }) => type === 'validated')).toMatchObject({ orchestration: 'local' })
  }
  // Streams do not keep it from stopping.
  await node.end()
  await until(() => sse.ended() !== undefined && webSocket.ended() !== undefined)
  expect(sse.messages.at(-1)).toMatchObject({ type: 'bye', reason: 'shutdown' })
}, 60_000)
