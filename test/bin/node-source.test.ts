import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { NodeSilent, openNodeSource } from '../../src/bin/export/node-source.ts'
import { type OpeningRecord, writeRecord } from '../../src/contract/audit/records.ts'

const opening: OpeningRecord = {
  kind: 'opening',
  format: 'assay-export',
  v: 1,
  network: 'local',
  streamId: null,
  headers: null,
  partitions: [],
}

async function sourceOf(answer: RequestListener) {
  const server = createServer(answer).listen(0)
  onTestFinished(() => void server.close())
  await new Promise(resolve => server.once('listening', resolve))
  return openNodeSource(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
}

test('a node that is killed in the middle of an answer is asked again', async () => {
  let asked = 0
  const source = await sourceOf((_, response) => {
    asked += 1
    if (asked > 1) return response.end(writeRecord(opening))
    response.writeHead(200, { 'content-length': 100 }).write('begun')
    return setTimeout(() => response.destroy(), 50)
  })
  expect(await source.opening(null)).toEqual(opening)
  expect(asked).toBe(2)
})

test('a node that answers with another stream than was asked for is not believed', async () => {
  const source = await sourceOf((_, response) => response.end(writeRecord({ ...opening, streamId: 'b' })))
  const answer = source.opening('a')
  await expect(answer).rejects.toBeInstanceOf(NodeSilent)
  await expect(answer).rejects.toThrow('was asked for stream "a", and answers with stream "b"')
})
