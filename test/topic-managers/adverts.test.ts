import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readBeef } from '../../src/contract/beef.ts'
import { hostAdvertScript, hostAdvertSpendingKey } from '../../src/contract/host-advert.ts'
import { buildTransaction, readTransaction } from '../../src/contract/transaction.ts'
import { uhrpAdvertScript } from '../../src/contract/uhrp-advert.ts'
import { concat } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { ADVERTS_PER_TRANSACTION_MAX, type AdvertTopicOptions } from '../../topic-managers/advert-topic.ts'
import { AgentsTopicManager } from '../../topic-managers/agents.ts'
import { HostAdvertsTopicManager } from '../../topic-managers/host-adverts.ts'
import { UhrpTopicManager } from '../../topic-managers/uhrp.ts'
import { agentAdvertScript } from '../support/agent-adverts.ts'
import { output, p2pkhSpend, party, payTo } from '../support/pipeline.ts'
import { batchToken, beefOf, paying } from './batch-transactions.ts'

const host = party('host')
const content = { hash: sha256Hex('content'), expirySeconds: 2_000_000_000, size: 7 }

type Kind = {
  manager(options?: AdvertTopicOptions): InstanceType<typeof UhrpTopicManager>
  /** An advert of this place. */
  at(base: string): Uint8Array
  keeps: boolean
}
const kinds: Record<string, Kind> = {
  tm_ship: {
    manager: options => new HostAdvertsTopicManager('SHIP', options),
    at: base => hostAdvertScript('SHIP', host, base, 'tm_gitdata_agents'),
    keeps: false,
  },
  tm_slap: {
    manager: options => new HostAdvertsTopicManager('SLAP', options),
    at: base => hostAdvertScript('SLAP', host, base, 'ls_gitdata_agents'),
    keeps: false,
  },
  tm_uhrp: {
    manager: options => new UhrpTopicManager(options),
    at: base => uhrpAdvertScript(host, { ...content, url: `${base}/content` }),
    keeps: false,
  },
  tm_gitdata_agents: {
    manager: options => new AgentsTopicManager(options),
    at: base => agentAdvertScript({ endpoints: ['https://agent.example', base] }),
    keeps: true,
  },
}

describe.each(Object.entries(kinds))('the topic %s', (name, { manager, at, keeps }) => {
  const good = at('https://host.example')
  const others = Object.entries(kinds).flatMap(([other, kind]) =>
    other === name ? [] : [kind.at('https://host.example')],
  )
  const admit = (beef: Uint8Array, options?: AdvertTopicOptions, coins: number[] = []) =>
    manager(options).admit(orThrow(readBeef(beef, { bytesMax: Number.POSITIVE_INFINITY })), coins)
  const carrying = (...scripts: Uint8Array[]) => beefOf(paying(scripts.map(script => output(script))))

  test('admits every advert of its kind in a transaction, equal ones too, and nothing else of it', () => {
    const outputs = [payTo(host, 5), output(good), ...others.map(script => output(script)), output(good)]
    const beef = beefOf(paying([...outputs, output(batchToken().script)]))
    expect(admit(beef)).toEqual({ outputsToAdmit: [1, outputs.length - 1], coinsToRetain: [] })
  })

  test(keeps ? 'keeps what was spent on record' : 'lets go of what was spent', () => {
    expect(admit(beefOf(paying([])), {}, [0, 2])).toEqual({
      outputsToAdmit: [],
      coinsToRetain: keeps ? [0, 2] : [],
    })
  })

  test('knows at a glance what it has no business with', () => {
    const concerns = (...scripts: Uint8Array[]) =>
      manager().concerns(paying(scripts.map(script => output(script))))
    expect(concerns(...others, batchToken().script)).toBe(false)
    expect(concerns(good)).toBe(true)
  })

  test('does not admit an advert on an output without satoshis', () => {
    expect(admit(beefOf(paying([output(good, 0), output(good)]))).outputsToAdmit).toEqual([1])
  })

  test('admits none of more adverts than its bound', () => {
    const full = Array.from({ length: ADVERTS_PER_TRANSACTION_MAX }, () => good)
    expect(admit(carrying(...full)).outputsToAdmit).toHaveLength(ADVERTS_PER_TRANSACTION_MAX)
    expect(admit(carrying(...full, good)).outputsToAdmit).toEqual([])
    expect(admit(carrying(good, good), { advertsMax: 1 }).outputsToAdmit).toEqual([])
  })

  test.each(['http://host.example', 'https://localhost', 'https://127.0.0.1:8080', 'https://192.168.1.7'])(
    'takes an advert of %s only where it is told to',
    place => {
      expect(admit(carrying(at(place))).outputsToAdmit).toEqual([])
      expect(admit(carrying(at(place)), { allowLocal: true }).outputsToAdmit).toEqual([0])
    },
  )

  test('does not admit an advert with any bit of it changed, 300 times', () => {
    fc.assert(
      fc.property(fc.nat(8 * good.length - 1), bit => {
        const script = good.slice()
        script[bit >> 3] = (script[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(admitScript(script)).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  test('does not admit an advert with bytes cut out or put in, 300 times', () => {
    const change = fc
      .tuple(fc.nat(good.length), fc.nat(3), fc.uint8Array({ maxLength: 3 }))
      .map(([at, less, more]) => concat(good.slice(0, at), more, good.slice(at + less)))
      .filter(changed => Buffer.compare(changed, good) !== 0)
    fc.assert(
      fc.property(change, changed => {
        expect(admitScript(changed)).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  test('answers hosts that give numbers as it answers those that give bytes, also about what is no BEEF', async () => {
    const beef = [...carrying(good)]
    expect(await manager().identifyAdmissibleOutputs(beef, [])).toEqual({
      outputsToAdmit: [0],
      coinsToRetain: [],
    })
    for (const other of [[], beef.slice(0, -1), [...beef, 0], [256, -1]])
      expect(await manager().identifyAdmissibleOutputs(other, [1])).toMatchObject({ outputsToAdmit: [] })
    const small = manager({ beefBytesMax: beef.length - 1 })
    expect(await small.identifyAdmissibleOutputs(beef, [])).toMatchObject({ outputsToAdmit: [] })
  })

  /** As the script of the one output of a transaction that is not signed: only its outputs are looked at. */
  function admitScript(script: Uint8Array): number[] {
    const coin = { txid: '11'.repeat(32), vout: 0, script: new Uint8Array() }
    const transaction = buildTransaction([coin], [output(script)])
    const beef = { subject: transaction, transactions: [transaction], byTxid: new Map() }
    return manager().admit(beef, []).outputsToAdmit
  }
})

describe('the topic of agents', () => {
  const admit = (beef: Uint8Array) =>
    new AgentsTopicManager().admit(orThrow(readBeef(beef)), []).outputsToAdmit

  test('does not admit what others may still change', () => {
    const settled = paying([output(agentAdvertScript())])
    const version2 = settled.raw.slice()
    version2[0] = 2
    expect(admit(beefOf(settled))).toEqual([0])
    expect(admit(beefOf(orThrow(readTransaction(version2))))).toEqual([])
  })

  test('does not admit an advert whose operator answers for another agent, or for another time', () => {
    const borrowed = agentAdvertScript({ operator: party('another operator').identityKey })
    const late = agentAdvertScript({ expiresMs: 2_000_000_000_001 })
    for (const script of [borrowed, late]) expect(admit(beefOf(paying([output(script)])))).toEqual([])
  })

  test('does not admit an advert with an endpoint that is none, or that carries a password', () => {
    for (const endpoint of ['ftp://agent.example', 'agent.example', 'https://user:secret@agent.example']) {
      const script = agentAdvertScript({ endpoints: ['https://agent.example', endpoint] })
      expect(admit(beefOf(paying([output(script)])))).toEqual([])
    }
  })
})

describe('what is spent and what is new in one transaction', () => {
  test('replaces an advert: the new one is admitted, the old one let go of', () => {
    const before = paying([
      output(hostAdvertScript('SHIP', host, 'https://old.example', 'tm_gitdata_agents')),
    ])
    const spend = {
      ...p2pkhSpend(before, 0, host),
      privateKey: hostAdvertSpendingKey('SHIP', host.privateKey),
    }
    const after = paying(
      [output(hostAdvertScript('SHIP', host, 'https://new.example', 'tm_gitdata_agents'))],
      [spend],
    )
    const beef = orThrow(readBeef(beefOf(before, after)))
    expect(new HostAdvertsTopicManager('SHIP').admit(beef, [1])).toEqual({
      outputsToAdmit: [0],
      coinsToRetain: [],
    })
  })
})
