import pg from 'pg'
import { referenceEvent } from '../reference-event.ts'

/**
 * What PostgreSQL makes durable at best: the same events, as lines of a table without any index, by COPY, committed
 * as often as batches come. Events each second.
 */
export async function rawCopyPerSecond(
  databaseUrl: string,
  { from, events, batch, connections }: { from: number; events: number; batch: number; connections: number },
): Promise<number> {
  const clients = Array.from({ length: connections }, () => new pg.Client(databaseUrl))
  const bodies = Array.from({ length: Math.floor(events / batch) }, (_, n) =>
    linesFrom(from + n * batch, batch),
  )
  try {
    await Promise.all(clients.map(client => client.connect()))
    await clients[0]?.query('create table if not exists bench_raw_lines (line text)')
    const begun = performance.now()
    const queue = bodies.values()
    await Promise.all(
      clients.map(async client => {
        for (const lines of queue) await copyIn(client, 'copy bench_raw_lines (line) from stdin', lines)
      }),
    )
    const perSecond = (1000 * bodies.length * batch) / (performance.now() - begun)
    await clients[0]?.query('drop table bench_raw_lines')
    return perSecond
  } finally {
    for (const client of clients) await client.end()
  }
}

function linesFrom(from: number, batch: number): Uint8Array {
  let text = ''
  for (let i = from; i < from + batch; i++)
    text += `${JSON.stringify(referenceEvent(i)).replaceAll('\\', '\\\\')}\n`
  return Buffer.from(text)
}

/** The driver knows the messages of COPY and has no call for them. */
function copyIn(client: pg.Client, sql: string, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    let failure: Error | undefined
    client.query({
      submit: (connection: pg.Connection) => connection.query(sql),
      handleCopyInResponse(connection: CopyingConnection) {
        connection.sendCopyFromChunk(bytes)
        connection.endCopyFrom()
      },
      handleCommandComplete: () => undefined,
      handleError(error: Error) {
        failure = error
        reject(error)
      },
      handleReadyForQuery: () => (failure === undefined ? resolve() : undefined),
    } as pg.Submittable)
  })
}

type CopyingConnection = { sendCopyFromChunk(bytes: Uint8Array): void; endCopyFrom(): void }
