import * as sdk from '@bsv/sdk'
import { CompletedProtoWallet, LockingScript, P2PKH, PrivateKey, PushDrop, Transaction } from '@bsv/sdk'
import * as cborg from 'cborg'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { toHex } from '../../src/core/bytes.ts'
import { EventsIngestTopicManager } from '../../topic-managers/events-ingest.ts'
import {
  batchToken,
  beefOf,
  carrying,
  chain,
  freshCoin,
  paying,
  publisher,
  spendOf,
} from './batch-transactions.ts'
import { foreignHost } from './foreign-host.ts'

const topic = baseTopics.ingest
let host = foreignHost(chain, () => 1000)
beforeEach(() => {
  host = foreignHost(chain, () => 1000)
})

function submit(beef: Uint8Array | number[], offChainValues?: Uint8Array) {
  const tagged = { beef: [...beef], topics: [topic] }
  return host.submit(tagged, undefined, 'current-tx', offChainValues && [...offChainValues])
}

async function lookup(query: object) {
  const answer = await host.lookup({ service: baseLookupServices.events, query })
  if (answer.type !== 'output-list') throw new Error(`the host answers with ${answer.type}`)
  return answer.outputs.map(({ beef, outputIndex, context = [] }) => {
    const output = Transaction.fromBEEF(beef).outputs[outputIndex]
    return { script: output?.lockingScript, ...JSON.parse(Buffer.from(context).toString('utf8')) }
  })
}

describe('a host of somebody else that mounts the topic and its lookup service', () => {
  test('admits a batch and finds it by publisher, stream, source, hash and time', async () => {
    const token = batchToken()
    const transaction = carrying(token)
    expect(await submit(beefOf(transaction))).toEqual({
      [topic]: { outputsToAdmit: [0], coinsToRetain: [], coinsRemoved: [] },
    })
    const ways = [
      { publisher: publisher.identityKey },
      { streamId: 'greenhouse' },
      { sourceId: 'sensor-1' },
      { subject: token.subject },
      { txid: transaction.txid },
      { admittedFromMs: 1000, admittedToMs: 1001 },
    ]
    for (const query of ways) {
      const [found, ...more] = await lookup(query)
      expect(more).toEqual([])
      expect(found).toMatchObject({ subject: token.subject, count: 2, admittedMs: 1000 })
      expect(found?.script?.toHex()).toBe(toHex(token.script))
    }
    expect(await lookup({ streamId: 'cellar' })).toEqual([])
  })

  test('shows wallets with the stock decoder what a batch says', async () => {
    const token = batchToken()
    await submit(beefOf(carrying(token)))
    const [found] = await lookup({})
    const { fields } = PushDrop.decode(found?.script ?? new LockingScript())
    const [tag = [], issuer = [], subject = [], body = []] = fields.map(field => Uint8Array.from(field))
    expect(fields).toHaveLength(5)
    expect(Buffer.from(tag).toString()).toBe('GDE1')
    expect(toHex(Uint8Array.from(issuer))).toBe(publisher.identityKey)
    expect(toHex(Uint8Array.from(subject))).toBe(token.subject)
    const members: Map<number, unknown> = cborg.decode(Uint8Array.from(body), { useMaps: true })
    expect([...members.keys()]).toEqual([0, 1, 2, 3])
    expect(members.get(0)).toBe('greenhouse')
  })

  test('admits off-chain batches with their values', async () => {
    const token = batchToken({ as: 'off-chain' })
    await submit(beefOf(carrying(token)), token.offChainValues)
    expect(await lookup({})).toMatchObject([{ subject: token.subject, carried: 'off-chain' }])
  })

  test('lists a batch as spent when its publisher takes the satoshi back, and goes on serving it', async () => {
    const token = batchToken()
    const transaction = carrying(token)
    await submit(beefOf(transaction))
    const spend = paying([], [spendOf(transaction, 0, token)])
    expect(await submit(beefOf(transaction, spend))).toMatchObject({
      [topic]: { coinsToRetain: [1], coinsRemoved: [] },
    })
    // The stock engine acknowledges before it has told its lookup services.
    await vi.waitFor(async () => expect(await lookup({ spent: true })).toHaveLength(1))
    expect(await lookup({ spent: false })).toEqual([])
  })

  test('passes on what is wrong with a query', async () => {
    await expect(
      host.lookup({ service: baseLookupServices.events, query: { limit: 0 } }),
    ).rejects.toMatchObject({
      code: 'ERR_LOOKUP_INVALID_QUERY',
    })
  })

  test('serves the documentation and metadata of both', async () => {
    expect(await host.getDocumentationForTopicManager(topic)).toMatch(/^# tm_gitdata_events_ingest\n/)
    expect(await host.getDocumentationForLookupServiceProvider(baseLookupServices.events)).toMatch(
      /^# ls_gitdata_events\n/,
    )
    expect(await host.listTopicManagers()).toMatchObject({ [topic]: { name: 'Event batches' } })
    expect(await host.listLookupServiceProviders()).toMatchObject({
      [baseLookupServices.events]: { name: 'Event batches' },
    })
  })
})

describe('a publisher without any code of ours', () => {
  test('makes a batch as the documentation says, has it admitted, and takes the satoshi back', async () => {
    const key = new PrivateKey([...publisher.privateKey])
    const { lockingScript, unlockLater, subject } = await documentedExample(new CompletedProtoWallet(key))

    const coin = freshCoin()
    const parent = Transaction.fromBEEF([...beefOf()])
    const transaction = new Transaction()
    transaction.addInput({
      sourceTransaction: parent,
      sourceOutputIndex: coin.vout,
      unlockingScriptTemplate: new P2PKH().unlock(key),
    })
    transaction.addOutput({ lockingScript, satoshis: 1 })
    await transaction.sign()
    expect(await submit(transaction.toBEEF())).toMatchObject({ [topic]: { outputsToAdmit: [0] } })
    expect(await lookup({ subject: sdk.Utils.toHex(subject) })).toMatchObject([
      { publisher: key.toPublicKey().toString(), streamId: 'greenhouse', sourceId: 'sensor-1', count: 2 },
    ])

    const spend = new Transaction()
    spend.addInput({
      sourceTransaction: transaction,
      sourceOutputIndex: 0,
      unlockingScriptTemplate: unlockLater,
    })
    spend.addInput({
      sourceTransaction: parent,
      sourceOutputIndex: freshCoin().vout,
      unlockingScriptTemplate: new P2PKH().unlock(key),
    })
    spend.addOutput({ lockingScript: new P2PKH().lock(key.toAddress()), satoshis: 1 })
    await spend.sign()
    expect(await submit(spend.toBEEF())).toMatchObject({ [topic]: { coinsToRetain: [0] } })
  })
})

type Example = {
  lockingScript: LockingScript
  unlockLater: ReturnType<PushDrop['unlock']>
  subject: number[]
}

/** Runs the code in the documentation, as it stands there, with this wallet. */
async function documentedExample(wallet: CompletedProtoWallet): Promise<Example> {
  const text = await new EventsIngestTopicManager().getDocumentation()
  const [, code = ''] = /```js\n(.*?)```/s.exec(text) ?? []
  const body = code
    .replace(/^import (\{.*\}) from '@bsv\/sdk'$/m, 'const $1 = sdk')
    .replace(/^import (\{.*\}) from 'cborg'$/m, 'const $1 = cborg')
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor
  return new AsyncFunction(
    'sdk',
    'cborg',
    'wallet',
    `${body}\nreturn { lockingScript, unlockLater, subject }`,
  )(sdk, cborg, wallet)
}
