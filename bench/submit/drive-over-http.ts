import { Agent, request } from 'node:http'
import { json } from 'node:stream/consumers'
import * as z from 'zod'
import { baseTopics } from '../../src/contract/names.ts'
import { type Driven, drive } from './drive.ts'
import type { Task } from './workload.ts'

/** Posts the tasks as wallets do, over connections that are kept. */
export async function driveOverHttp(
  url: string,
  tasks: readonly Task[],
  concurrency: number,
): Promise<Driven> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency })
  try {
    return await drive(tasks, concurrency, beef => post(`${url}/submit`, beef, agent))
  } finally {
    agent.destroy()
  }
}

const steak = z.record(z.string(), z.object({ outputsToAdmit: z.array(z.int()) }))

async function post(url: string, beef: Uint8Array, agent: Agent): Promise<void> {
  const headers = {
    'Content-Type': 'application/octet-stream',
    'Content-Length': beef.length,
    'X-Topics': JSON.stringify([baseTopics.ingest]),
  }
  const answer = await new Promise<unknown>((resolve, reject) => {
    request(url, { method: 'POST', headers, agent }, response => {
      json(response).then(resolve, reject)
    })
      .on('error', reject)
      .end(beef)
  })
  const admitted = steak.safeParse(answer).data?.[baseTopics.ingest]?.outputsToAdmit.length
  if (admitted !== 1)
    throw new Error(`a batch was posted and not admitted: ${JSON.stringify(answer).slice(0, 500)}`)
}
