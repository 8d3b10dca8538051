import { describe, expect, test } from 'vitest'
import {
  chooseSeats,
  operatorsFor,
  type SeatNeed,
  type SeatRules,
  sizeFor,
} from '../../src/jobs/choose-seats.ts'
import type { Directory, KnownAgent } from '../../src/jobs/ports.ts'
import { agent, anybody, directory, NOW_MS, need, operatorOf } from './known-agents.ts'

const three = [agent('north'), agent('east'), agent('south')]

describe('the seats of a job', () => {
  test('go to as many operators as the level asks, and to one agent of each', () => {
    const crowd = [...three, agent('north 2'), agent('north 3'), agent('east 2')]
    expect(seated(crowd)).toHaveLength(3)
    expect(operators(chosen(crowd))).toEqual(['east', 'north', 'south'])
    expect(seated(crowd, { level: 'basic' })).toHaveLength(1)
  })

  test('are not made where there are fewer operators than seats, however many agents they have', () => {
    expect(chosen([agent('north'), agent('north 2'), agent('east'), agent('east 2')])).toBeUndefined()
  })

  test('are made even if somebody is out of reach, for a round that is open goes on', () => {
    const [north, east] = three
    const away = agent('south', { reachable: false })
    expect(operators(chosen([north, east, away].flatMap(each => each ?? [])))).toEqual([
      'east',
      'north',
      'south',
    ])
  })

  test('take turns among equals', () => {
    const five = ['north', 'east', 'south', 'west', 'middle'].map(name => agent(name))
    const counts = new Map<string, number>()
    for (let rotation = 0; rotation < 50; rotation++)
      for (const name of operators(chosen(five, { rotation })) ?? [])
        counts.set(name, (counts.get(name) ?? 0) + 1)
    expect([...counts.values()]).toEqual([30, 30, 30, 30, 30])
  })

  test('go last to whoever failed, and later still to whoever spent twice', () => {
    const four = [...three, agent('west')]
    const failed = directory(four, { north: { failurePoints: 10 } })
    expect(operators(chooseSeats(need(), failed, anybody))).toEqual(['east', 'south', 'west'])
    const twice = directory(four, { north: { failurePoints: 90 }, east: { doubleSpends: 1 } })
    expect(operators(chooseSeats(need(), twice, anybody))).toEqual(['north', 'south', 'west'])
  })

  test('leave out who has too bad a name while others are left, and only then', () => {
    const shady = agent('north', { reputation: 20 })
    const [, east, south] = three
    const others = [east, south].flatMap(each => each ?? [])
    expect(operators(chosen([shady, ...others, agent('west')]))).toEqual(['east', 'south', 'west'])
    expect(operators(chosen([shady, ...others]))).toEqual(['east', 'north', 'south'])
  })

  test('go to somebody with a bad name rather than to somebody who is not there', () => {
    const crowd = [
      agent('north'),
      agent('east'),
      agent('south', { reputation: 5 }),
      agent('west', { reachable: false }),
    ]
    expect(operators(chosen(crowd))).toEqual(['east', 'north', 'south'])
  })

  test('go to agents that take a round of this size, while there are any', () => {
    const small = agent('north', { packetsMax: 2 })
    const [, east, south] = three
    const others = [east, south].flatMap(each => each ?? [])
    expect(operators(chosen([small, ...others, agent('west')], { packets: 3 }))).toEqual([
      'east',
      'south',
      'west',
    ])
    expect(operators(chosen([small, ...others, agent('west')], { packets: 2, rotation: 1 }))).toContain(
      'north',
    )
  })

  test.each<[Partial<SeatRules>, Partial<KnownAgent>]>([
    [{ priceMax: 9 }, { satoshisPerThousandEvents: 10 }],
    [{ regions: ['eu'] }, { region: 'us' }],
    [{ regions: ['eu'] }, { region: undefined }],
    [{}, { expiresMs: NOW_MS }],
    [{}, { word: { ...agent('north').word, operatorToMs: NOW_MS + 29_999 } }],
    [{}, { word: { ...agent('north').word, operatorFromMs: NOW_MS + 30_001 } }],
    [{ operators: ['east', 'south'].map(name => operatorOf(name).identityKey) }, {}],
  ])('are never given where %o speaks against an agent with %o', (rules, more) => {
    const fits = { satoshisPerThousandEvents: 1, region: 'eu' }
    const crowd = [agent('north', { ...fits, ...more }), agent('east', fits), agent('south', fits)]
    expect(chooseSeats(need(), directory(crowd), { ...anybody, ...rules })).toBeUndefined()
    const enough = [...crowd, agent('west', fits)]
    const withWest = rules.operators && [...rules.operators, operatorOf('west').identityKey]
    const chosen = chooseSeats(need(), directory(enough), {
      ...anybody,
      ...rules,
      ...(withWest && { operators: withWest }),
    })
    expect(operators(chosen)).toEqual(['east', 'south', 'west'])
  })

  test('go also to agents that have no address, and are offered them over their connections', () => {
    const connected = three.map(each => ({ ...each, endpoints: [] }))
    expect(operators(chosen(connected))).toEqual(['east', 'north', 'south'])
  })

  test('go to those of the node’s operators that a stream names, and to no others', () => {
    const listed = need({ operators: ['north', 'east', 'south'].map(name => operatorOf(name).identityKey) })
    const rules = {
      ...anybody,
      operators: ['west', 'north', 'east', 'south'].map(name => operatorOf(name).identityKey),
    }
    const seats = chooseSeats(listed, directory([...three, agent('west')]), rules)
    expect(operators(seats)).toEqual(['east', 'north', 'south'])
  })

  test('never go to the coordinator’s own operator, but at basic, where nobody is asked to agree', () => {
    const own = need({ coordinator: operatorOf('north').identityKey })
    expect(chooseSeats(own, directory(three), anybody)).toBeUndefined()
    expect(chooseSeats({ ...own, level: 'basic' }, directory([agent('north')]), anybody)).toHaveLength(1)
  })
})

describe('the strategy', () => {
  const choices = [
    agent('north', { reputation: 99, latencyMs: 900, satoshisPerThousandEvents: 90 }),
    agent('east', { reputation: 75, latencyMs: 20, satoshisPerThousandEvents: 50 }),
    agent('south', { reputation: 85, latencyMs: 300, satoshisPerThousandEvents: 1 }),
  ]

  test.each([
    ['reputation', 'north'],
    ['latency', 'east'],
    ['cost', 'south'],
  ] as const)('%s asks %s first', (strategy, first) => {
    for (let rotation = 0; rotation < 5; rotation++) {
      const seats = chooseSeats(need({ level: 'basic', rotation }), directory(choices), {
        ...anybody,
        strategy,
      })
      expect(operators(seats)).toEqual([first])
    }
  })

  test('decides which agent of one operator gets its seat', () => {
    const crowd = [...three, agent('north 2', { satoshisPerThousandEvents: 1 })]
    const seats = chooseSeats(need(), directory(crowd), { ...anybody, strategy: 'cost' })
    expect(seats?.map(({ agentKey }) => agentKey)).toContain(agent('north 2').agentKey)
  })

  test('makes nobody of a hair’s breadth', () => {
    const near = [agent('north', { reputation: 93 }), agent('east', { reputation: 96 })]
    const firsts = [0, 1].map(rotation =>
      operators(chooseSeats(need({ level: 'basic', rotation }), directory(near), anybody)),
    )
    expect(firsts.flat().sort()).toEqual(['east', 'north'])
  })
})

describe('whoever could sit in a round', () => {
  test('has an agent for each of its stages', () => {
    const partly: Directory = {
      ...directory(three),
      agents: stage => three.filter((_, i) => i > 0 || stage !== 'certify'),
    }
    const found = operatorsFor(['normalize', 'validate', 'certify'], need(), partly, anybody)
    expect(found.map(({ operator }) => operator)).toEqual(
      ['east', 'south'].map(name => operatorOf(name).identityKey),
    )
  })

  test('bounds its size where a quorum needs it, and fills a seat where none does', () => {
    const small = agent('west', { packetsMax: 1, bytesMax: 10 })
    const sizeOf = (crowd: readonly KnownAgent[], more: Partial<SeatNeed> = {}) =>
      sizeFor(['normalize'], need(more), directory(crowd), anybody)
    const withSmall = [...three.slice(1), small]
    expect(sizeOf([...three, small]).packets).toBe(64)
    expect(sizeOf(withSmall).packets).toBe(64)
    expect(operators(chosen(withSmall, { packets: 64 }))).toEqual(['east', 'south', 'west'])
    expect(sizeOf(withSmall, { level: 'critical' })).toEqual({ packets: 1, bytes: 10 })
    expect(sizeOf([...three.slice(2), small, agent('middle', { packetsMax: 2 })]).packets).toBe(2)
  })
})

function chosen(agents: readonly KnownAgent[], more: Partial<SeatNeed> = {}) {
  return chooseSeats(need(more), directory(agents), anybody)
}

function seated(agents: readonly KnownAgent[], more: Partial<SeatNeed> = {}) {
  return chosen(agents, more) ?? []
}

const names = ['north', 'east', 'south', 'west', 'middle']

function operators(seats: readonly KnownAgent[] | undefined): string[] | undefined {
  return seats
    ?.map(({ word }) => names.find(name => operatorOf(name).identityKey === word.operator) ?? word.operator)
    .sort()
}
