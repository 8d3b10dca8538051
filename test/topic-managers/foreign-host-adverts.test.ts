import * as sdk from '@bsv/sdk'
import { CompletedProtoWallet, LockingScript, P2PKH, PrivateKey, type PushDrop, Transaction } from '@bsv/sdk'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { toHex } from '../../src/core/bytes.ts'
import { HostAdvertsTopicManager } from '../../topic-managers/host-adverts.ts'
import { UhrpTopicManager } from '../../topic-managers/uhrp.ts'
import { agentAdvertScript } from '../support/agent-adverts.ts'
import { beefOf, chain, freshCoin, publisher } from './batch-transactions.ts'
import { foreignHost } from './foreign-host.ts'

const key = new PrivateKey([...publisher.privateKey])
const wallet = new CompletedProtoWallet(key)
const content = Buffer.from('content')

let host = foreignHost(chain, () => 1000)
beforeEach(() => {
  host = foreignHost(chain, () => 1000)
})

async function found(service: string, query: unknown): Promise<string[]> {
  const answer = await host.lookup({ service, query })
  if (answer.type !== 'output-list') throw new Error(`the host answers with ${answer.type}`)
  return answer.outputs.map(({ beef }) => Transaction.fromBEEF(beef).id('hex'))
}

describe('a host of somebody else that mounts the topics of adverts', () => {
  const kinds: [string, string, () => Promise<string>, unknown][] = [
    [
      'tm_ship',
      'ls_ship',
      () => new HostAdvertsTopicManager('SHIP').getDocumentation(),
      { topics: ['tm_gitdata_events_ingest'] },
    ],
    [
      'tm_slap',
      'ls_slap',
      () => new HostAdvertsTopicManager('SLAP').getDocumentation(),
      { service: 'ls_gitdata_events' },
    ],
    [
      'tm_uhrp',
      'ls_uhrp',
      () => new UhrpTopicManager().getDocumentation(),
      { uhrpUrl: sdk.StorageUtils.getURLForFile([...content]) },
    ],
  ]
  test.each(kinds)('admits to %s what its page says how to make, finds it, and loses it', async (...kind) => {
    const [topic, service, page, query] = kind
    const { lockingScript, unlockLater } = await documentedExample(await page())
    const advert = await paid(lockingScript)
    expect(await host.submit({ beef: advert.toBEEF(), topics: [topic] })).toMatchObject({
      [topic]: { outputsToAdmit: [0] },
    })
    await vi.waitFor(async () => expect(await found(service, query)).toEqual([advert.id('hex')]))

    const withdrawal = await paid(new P2PKH().lock(key.toAddress()), { advert, unlockLater })
    await host.submit({ beef: withdrawal.toBEEF(), topics: [topic] })
    await vi.waitFor(async () => expect(await found(service, query)).toEqual([]))
  })

  test('admits and finds agents', async () => {
    const advert = await paid(LockingScript.fromHex(toHex(agentAdvertScript())))
    await host.submit({ beef: advert.toBEEF(), topics: ['tm_gitdata_agents'] })
    await vi.waitFor(async () =>
      expect(await found('ls_gitdata_agents', { stage: 'normalize' })).toEqual([advert.id('hex')]),
    )
  })
})

/** One satoshi to this lock. */
async function paid(
  lockingScript: LockingScript,
  spent?: { advert: Transaction; unlockLater: ReturnType<PushDrop['unlock']> },
): Promise<Transaction> {
  const coin = freshCoin()
  const transaction = new Transaction()
  if (spent !== undefined)
    transaction.addInput({
      sourceTransaction: spent.advert,
      sourceOutputIndex: 0,
      unlockingScriptTemplate: spent.unlockLater,
    })
  transaction.addInput({
    sourceTransaction: Transaction.fromBEEF([...beefOf()]),
    sourceOutputIndex: coin.vout,
    unlockingScriptTemplate: new P2PKH().unlock(key),
  })
  transaction.addOutput({ lockingScript, satoshis: 1 })
  await transaction.sign()
  return transaction
}

/** Runs the code of a page, as it stands there, with a wallet and some content. */
async function documentedExample(
  page: string,
): Promise<{ lockingScript: LockingScript; unlockLater: ReturnType<PushDrop['unlock']> }> {
  const [, code = ''] = /```js\n(.*?)```/s.exec(page) ?? []
  const body = code.replace(/^import (\{.*\}) from '@bsv\/sdk'$/m, 'const $1 = sdk')
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor
  const run = new AsyncFunction('sdk', 'wallet', 'content', `${body}\nreturn { lockingScript, unlockLater }`)
  return run(sdk, wallet, content)
}
