import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as z from 'zod'
import { answerAsked } from './fanout/ask-process.ts'

/* A server that reads what it is sent and does nothing with it: what HTTP alone takes on this machine. */

const answer = '{"counts":{"accepted":0}}'
const server = createServer((request, response) => {
  request.on('data', () => undefined)
  request.on('end', () => {
    response.writeHead(202, { 'content-type': 'application/json', 'content-length': answer.length })
    response.end(answer)
  })
})

answerAsked(z.object({ what: z.literal('open') }), async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port }
})
