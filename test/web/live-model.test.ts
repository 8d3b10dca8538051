import { describe, expect, test } from 'vitest'
import { openLiveModel, STREAMS_MAX } from '../../web/live/live-model.ts'
import { RECENT_MAX } from '../../web/live/recent.ts'

const START = 1_800_000_000_000
const idOf = (seq: number) => seq.toString(16).padStart(64, '0')

const received = (streamId: string, first: number, many: number) =>
  JSON.stringify({
    type: 'received',
    sourceId: 'farm-001',
    count: many,
    eventIds: Array.from({ length: many }, (_, i) => idOf(first + i)),
    ...{ streamId, partition: 0, firstSeq: first, lastSeq: first + many - 1 },
  })
const packet = (type: string, streamId: string, first: number, many: number, packetId = 'aa') =>
  JSON.stringify({
    type,
    count: many,
    eventIds: null,
    ...{ streamId, partition: 0, packetId, firstSeq: first, lastSeq: first + many - 1 },
  })
const certified = (streamId: string, many: number, packetId = 'aa') =>
  JSON.stringify({
    type: 'certified',
    sourceId: 'farm-001',
    count: many,
    ...{ streamId, partition: 0, packetId, firstLine: 0, lastLine: many - 1 },
  })

describe('what the page Live makes of a stream', () => {
  test('counts each stage, in all and of each stream', () => {
    const model = openLiveModel()
    model.hear(received('a', 0, 3), START)
    model.hear(received('b', 0, 2), START)
    model.hear(packet('normalized', 'a', 0, 3), START + 100)
    expect(model.all.total('received')).toBe(5)
    expect(model.streams.get('a')?.total('received')).toBe(3)
    expect(model.streams.get('b')?.total('normalized')).toBe(0)
    expect(model.all.total('normalized')).toBe(3)
  })

  test('tells a rate of whole seconds that it listened in, and none where it listened in none', () => {
    const model = openLiveModel()
    expect(model.all.rate('received', START)).toBeNull()
    model.hear(received('a', 0, 10), START)
    model.listening(START + 1000)
    expect(model.all.rate('received', START + 2000)).toBe(5)
    // Nothing is known of the seconds since.
    expect(model.all.rate('received', START + 60_000)).toBeNull()
  })

  test('leaves blank in plots what it did not listen to, and does not call it nothing', () => {
    const model = openLiveModel()
    model.hear(received('a', 0, 10), START)
    model.listening(START + 3000)
    const { seconds, rates } = model.all.series(START + 4000)
    const at = (ms: number) => rates.received[seconds.indexOf((START + ms) / 1000)]
    expect([at(0), at(1000), at(3000)]).toEqual([10, null, 0])
  })

  test('measures how long events took, from when it heard of them, also where certificates name lines', () => {
    const model = openLiveModel()
    model.hear(received('a', 0, 2), START)
    model.hear(received('a', 2, 2), START + 1000)
    model.hear(packet('normalized', 'a', 0, 4), START + 1200)
    model.hear(certified('a', 4), START + 2000)
    model.hear(packet('proven', 'a', 0, 4), START + 3000)
    // Two have waited for two seconds, and two for one.
    expect(model.all.meanWait('certified', START + 3000)).toBe(1500)
    expect(model.all.meanWait('proven', START + 3000)).toBe(2500)
  })

  test('says nothing about how long events took that it has not seen begin', () => {
    const model = openLiveModel()
    model.hear(packet('proven', 'a', 0, 4), START)
    expect(model.all.total('proven')).toBe(4)
    expect(model.all.meanWait('proven', START)).toBeNull()
  })

  test('shows where each of the newest events is, and never one further back than it was', () => {
    const model = openLiveModel()
    model.hear(received('a', 0, 2), START)
    model.hear(packet('normalized', 'a', 0, 1), START + 100)
    model.hear(certified('a', 1), START + 200)
    model.hear(packet('validated', 'a', 0, 1), START + 300)
    expect(model.recent.events().map(({ seq, state }) => [seq, state])).toEqual([
      [1, 'received'],
      [0, 'certified'],
    ])
  })

  test('keeps no more of a flood than it shows, and says how many it passed over', () => {
    const model = openLiveModel()
    for (let i = 0; i < 200; i++) model.hear(received('a', i * 1000, 1000), START + i * 50)
    expect(model.all.total('received')).toBe(200_000)
    expect(model.recent.events()).toHaveLength(RECENT_MAX)
    // Ten seconds, six of each.
    expect(model.recent.passedOver()).toBe(200_000 - 60)
  })

  test('counts streams beyond those that it lists in the sums alone', () => {
    const model = openLiveModel()
    for (let i = 0; i < STREAMS_MAX + 5; i++) model.hear(received(`stream-${i}`, 0, 1), START)
    expect(model.streams.size).toBe(STREAMS_MAX)
    expect(model.unlisted()).toBe(5)
    expect(model.all.total('received')).toBe(STREAMS_MAX + 5)
  })

  test('passes by what is no message, and counts what the node says is missing', () => {
    const model = openLiveModel()
    for (const said of ['', 'null', '[]', '{"type":"constructor"}', '{"type":"received","count":"many"}'])
      model.hear(said, START)
    model.hear('{"type":"gap","reason":"split"}', START)
    expect(model.all.total('received')).toBe(0)
    expect(model.gaps()).toBe(1)
  })
})
