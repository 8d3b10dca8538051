import { describe, expect, test } from 'vitest'
import { party } from '../support/pipeline.ts'
import { until } from '../support/until.ts'
import { childNode } from './child-node.ts'
import { faucetBeef, submitHeaders, validSubmission } from './good-client.ts'
import { HttpClient, type Sent } from './raw-http.ts'

describe('the log of a node at its most talkative', () => {
  test('holds nothing that clients hand over, nor what the node itself keeps secret', async () => {
    const own = 'sEcReT-of-the-processor-0123456789'
    const node = await childNode({ LOG_LEVEL: 'trace', ARC_CALLBACK_TOKEN: own })
    const client = new HttpClient(node.port)
    const owner = party('somebody discreet')
    const { transactions } = await faucetBeef(node.url, owner, 1)
    // Good for one upload, or one reading, whoever has it.
    const uploadToken = 'ab'.repeat(32)
    const { bytes } = validSubmission(owner, transactions, 0, '{"diagnosis":"sEcReT-in-an-event"}\n')
    const secretly = {
      authorization: 'Bearer sEcReT-bearer',
      cookie: 'session=sEcReT-cookie',
      'x-api-key': 'sEcReT-key',
      'x-identity-key': 'sEcReT-identity',
    }
    const everything: Sent[] = [
      { path: '/submit?token=sEcReT-query', headers: { ...submitHeaders, ...secretly }, body: bytes },
      { path: '/submit', headers: { ...submitHeaders, ...secretly }, body: Buffer.from('sEcReT-body') },
      { path: '/submit', headers: { ...secretly, 'x-topics': '["sEcReT-topic"]' }, body: bytes },
      {
        path: '/lookup',
        headers: secretly,
        body: Buffer.from('{"service":"sEcReT-service","query":"sEcReT-query"}'),
      },
      {
        path: '/arc-ingest',
        headers: secretly,
        body: Buffer.from(`{"txid":"${'0'.repeat(64)}","merklePath":"sEcReT-path"}`),
      },
      { method: 'GET', path: '/nowhere/sEcReT-path?token=sEcReT-query', headers: secretly },
    ]
    for (const each of everything) await client.send(each)

    // And when nothing works any more.
    await node.database.drop()
    const fresh = validSubmission(owner, transactions, 0, '{"diagnosis":"sEcReT-in-another"}\n').bytes
    await client.send({ path: '/submit', headers: { ...submitHeaders, ...secretly }, body: fresh })
    await client.send({
      path: '/lookup',
      headers: secretly,
      body: Buffer.from('{"service":"ls_gitdata_events","query":{"streamId":"sEcReT-stream"}}'),
    })
    await client.send({ method: 'PUT', path: `/uhrp/uploads/${uploadToken}`, body: fresh })
    await client.send({ method: 'GET', path: `/uhrp/${'0'.repeat(64)}?ticket=${uploadToken}` })
    await until(() => node.lines.filter(line => line.includes('"path":"/uhrp/')).length === 2)
    await until(() => node.lines.some(line => line.includes('a request failed')))
    client.close()
    await node.stop()

    const password = new URL(node.database.url).password
    const secrets = ['sEcReT', `:${password}@`, uploadToken]
    const told = node.lines.filter(line => secrets.some(secret => line.includes(secret)))
    expect(told).toEqual([])
    expect(node.lines.length).toBeGreaterThan(3)
    await node.end()
  })
})
