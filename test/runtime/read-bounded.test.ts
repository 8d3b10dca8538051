import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readBounded } from '../../src/runtime/read-bounded.ts'
import { clearUpMemory } from '../support/clear-up-memory.ts'

let server: Server
let url = ''
beforeEach(async () => {
  server = createServer((request, response) => {
    response.writeHead(200)
    if (request.url === '/whole') response.end('all of it')
    else response.write('and')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

describe('an answer to us', () => {
  test('is read as a whole, and not beyond what it may have', async () => {
    expect(Buffer.from(await readBounded(await fetch(`${url}/whole`), 9)).toString()).toBe('all of it')
    await expect(readBounded(await fetch(`${url}/whole`), 8)).rejects.toThrow('longer than 8 bytes')
  })

  test.each(['follow', 'error'] as const)(
    'that never ends is hung up on when its signal says so, where redirections are met with: %s',
    async redirect => {
      const stop = new AbortController()
      const reading = fetch(url, { redirect, signal: stop.signal }).then(response =>
        readBounded(response, 9, stop.signal),
      )
      const over = reading.then(
        () => 'read',
        error => error.name,
      )
      await clearUpMemory()
      stop.abort()
      expect(await over).toBe('AbortError')
    },
  )
})
