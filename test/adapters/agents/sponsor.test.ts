import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADVERT_SATOSHIS } from '../../../src/contract/advert-request.ts'
import { readBeef } from '../../../src/contract/beef.ts'
import { hostAdvertScript } from '../../../src/contract/host-advert.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import { agentSubject, spendingKey } from '../../../src/contract/tokens.ts'
import { toHex } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'
import { purpose } from '../fuel/fuel-bed.ts'
import { type AgentsAtNode, advertScripts, agentsAtNode, operatorOf } from './agents-at-node.ts'

let node: AgentsAtNode
beforeAll(async () => {
  node = await agentsAtNode()
}, 60_000)
afterAll(() => node.close())

const url = 'http://127.0.0.1:9'

describe('adverts of an agent without coins', () => {
  test('are paid for, each with what it takes to withdraw it, and are found before the answer is given', async () => {
    const agent = party('a poor agent')
    const scripts = advertScripts({ agent, stages: ['normalize', 'certify'] })
    const heard: string[] = []
    const paid = await node.sponsor({ onAdvert: () => void heard.push('advert') })(scripts)
    if (paid.kind !== 'paid') throw new Error(JSON.stringify(paid))
    const { subject } = orThrow(readBeef(paid.beef, { minimal: true }))
    expect(subject.txid).toBe(paid.txid)
    const carried = subject.outputs.slice(0, 3).map(({ script, satoshis }) => [toHex(script), satoshis])
    expect(carried).toEqual(scripts.map(script => [script, ADVERT_SATOSHIS]))
    expect(heard).toEqual(['advert'])
    const directory = node.directory()
    await directory.refresh()
    expect(directory.agents('certify')).toMatchObject([{ agentKey: agent.identityKey }])
  })

  test('are one transaction, however often the same are sent', async () => {
    const scripts = advertScripts({ agent: party('an agent that asks again') })
    const sponsor = node.sponsor({ advertsPerDayMax: 2 })
    const answers = await Promise.all([1, 2, 3].map(() => sponsor(scripts)))
    const again = await sponsor(scripts)
    expect(new Set([...answers, again].map(each => each.kind === 'paid' && each.txid)).size).toBe(1)
  })

  test('are not paid for twice after they were withdrawn: the scripts are there for everybody to read', async () => {
    const agent = party('an agent that has gone')
    const scripts = advertScripts({ agent })
    const paid = await node.sponsor()(scripts)
    if (paid.kind !== 'paid') throw new Error('not paid')
    const [advert] = orThrow(readBeef(paid.beef)).subject.outputs
    if (advert === undefined) throw new Error('the first output is the advert')
    const privateKey = spendingKey('GDA1', agentSubject(agent.identityKey), agent.privateKey)
    orThrow(
      await node.fuel.write(purpose('gone', 'agents'), {
        spends: [{ txid: paid.txid, vout: 0, spent: advert, privateKey }],
        outputs: [],
        topics: [baseTopics.agents],
      }),
    )
    await until(async () => (await node.sponsor()(scripts)).kind === 'refused')
    // Nor without those that were beside it.
    const [own = ''] = scripts
    expect((await node.sponsor()([own])).kind).toBe('refused')
  })

  test('are bounded for one operator and day, and not by what others ask for', async () => {
    const operatorParty = party('an operator with many agents')
    const scripts = (name: string) => advertScripts({ agent: party(name), operatorParty })
    let nowMs = Date.now()
    const sponsor = node.sponsor({ advertsPerDayMax: 4, now: () => nowMs })
    expect((await sponsor(scripts('one'))).kind).toBe('paid')
    expect((await sponsor(scripts('two'))).kind).toBe('paid')
    const refused = await sponsor(scripts('three'))
    expect(refused.kind).toBe('over-quota')
    expect(refused.kind === 'over-quota' && refused.retryAfterSeconds > 86_000).toBe(true)
    expect((await sponsor(advertScripts({ agent: party('somebody else’s') }))).kind).toBe('paid')
    nowMs += 86_400_001
    const later = advertScripts({ agent: party('three'), operatorParty, expiresMs: nowMs + 1000 })
    expect((await sponsor(later)).kind).toBe('paid')
  })

  test('are bounded for all operators of a day together, as their keys cost nothing', async () => {
    const { rows } = await node.bed.database.pool.query<{ count: number }>(
      'select count(*)::int as count from sponsored_adverts where paid_ms > $1',
      [Date.now() - 86_400_000],
    )
    const allAdvertsPerDayMax = (rows[0]?.count ?? 0) + 2
    const sponsor = node.sponsor({ allAdvertsPerDayMax })
    expect((await sponsor(advertScripts({ agent: party('of one operator') }))).kind).toBe('paid')
    expect((await sponsor(advertScripts({ agent: party('of another operator') }))).kind).toBe('over-quota')
  })

  test('are paid for agents of listed operators, and where there is no list on a local chain only', async () => {
    const agent = party('an agent of a stranger')
    const scripts = advertScripts({ agent, url: 'https://agent.example' })
    const operator = operatorOf(agent).identityKey
    const listed = [party('somebody').identityKey]
    expect(await node.sponsor({ operators: listed })(scripts)).toEqual({ kind: 'stranger', operator })
    expect(await node.sponsor({ allowLocal: false })(scripts)).toEqual({ kind: 'stranger', operator })
    expect((await node.sponsor({ allowLocal: false, operators: [operator] })(scripts)).kind).toBe('paid')
  })

  const agent = party('an agent that asks for something odd')
  const own = (change = {}) => advertScripts({ agent, ...change })[0] ?? ''
  const ship = (by = agent, at = url, topic: string = baseTopics.normalize) =>
    toHex(hostAdvertScript('SHIP', by, at, topic))
  test.each<[string, string[], string]>([
    ['no script at all that is an advert', ['00'], '/scripts/0'],
    ['a host advert in the first place', [ship()], '/scripts/0'],
    ['an advert that has expired', [own({ expiresMs: 2000 })], 'expired'],
    ['an agent of no stage', [own({ capabilities: ['paint'] })], 'capable of none'],
    ['a host advert of another key', [own(), ship(party('other'))], 'another key'],
    ['a topic of another stage', [own(), ship(agent, url, baseTopics.certify)], 'none of the capabilities'],
    ['a topic of no agent', [own(), ship(agent, url, 'tm_ship')], 'none of the capabilities'],
    ['another address than its own', [own(), ship(agent, 'http://127.0.0.1:10')], 'none of the endpoints'],
    ['the same twice', [own(), ship(), ship()], 'same as another'],
    [
      'a lookup service',
      [own(), toHex(hostAdvertScript('SLAP', agent, url, 'ls_gitdata_jobs'))],
      'only SHIP',
    ],
  ])('are refused where they are %s', async (_, scripts, why) => {
    const answer = await node.sponsor()(scripts)
    if (answer.kind !== 'refused') throw new Error(answer.kind)
    const { detail, pointer } = answer.outcome.fault
    expect(`${detail} ${pointer}`).toContain(why)
  })

  test('may not name an address that only the agent itself can reach, where the network is public', async () => {
    const operators = [operatorOf(agent).identityKey]
    expect((await node.sponsor({ allowLocal: false, operators })(advertScripts({ agent }))).kind).toBe(
      'refused',
    )
  })
})
