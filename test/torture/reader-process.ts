import { appendFileSync, existsSync, truncateSync } from 'node:fs'
import path from 'node:path'
import * as z from 'zod'
import { connectSse, connectWebSocket } from '../../bench/pipeline/connect.ts'
import { linesOf, readTold } from './journals.ts'
import { readers } from './readers.ts'

/*
 * Clients that follow, resume where they stood, and write down all that they are told: what they were told and where they stand
 * after it are one line, so that they may be killed at any moment. Their argument: the ports of two nodes and the folder of their journals.
 */

const orders = z
  .object({ ports: z.array(z.number()), folder: z.string() })
  .parse(JSON.parse(process.argv[2] ?? ''))

const AGAIN_MS = 200
/** Of several heartbeats. */
const SILENCE_MS = 8_000

for (const [n, { name, transport, path: asked }] of readers.entries()) {
  const journal = path.join(orders.folder, `${name}.reader`)
  dropHalfLine(journal)
  let cursor: string = readTold(journal).findLast(told => told.cursor !== null)?.cursor ?? 'earliest'
  let tries = n
  const open = () => {
    const port = orders.ports[tries++ % orders.ports.length] ?? 0
    let [isOver, heardMs] = [false, Date.now()]
    const end = () => {
      if (isOver) return
      isOver = true
      clearInterval(watch)
      connection.destroy()
      setTimeout(open, AGAIN_MS)
    }
    const connect = transport === 'sse' ? connectSse : connectWebSocket
    const connection = connect(
      { port, path: asked, cursor },
      {
        onMessage(json, at) {
          if (isOver) return
          heardMs = Date.now()
          appendFileSync(journal, `{"cursor":${JSON.stringify(at ?? null)},"told":${json}}\n`)
          cursor = at ?? cursor
        },
        onEnd: end,
      },
    )
    const watch = setInterval(() => {
      if (Date.now() - heardMs > SILENCE_MS) end()
    }, SILENCE_MS / 4)
  }
  open()
}

function dropHalfLine(journal: string): void {
  if (!existsSync(journal)) return
  truncateSync(
    journal,
    linesOf(journal).reduce((bytes, line) => bytes + Buffer.byteLength(line) + 1, 0),
  )
}
