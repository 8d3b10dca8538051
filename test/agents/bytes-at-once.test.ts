import { describe, expect, test } from 'vitest'
import { type BytesPlace, openBytesAtOnce } from '../../agents/kit/bytes-at-once.ts'

const never = new AbortController().signal

describe('bytes of jobs that are worked on', () => {
  /** Names those that have begun, in their order. */
  function asking(bytesMax: number, logs = 1) {
    const all = openBytesAtOnce(bytesMax, () => logs)
    const begun: string[] = []
    const ask = (name: string, bytes: number, { log = 'a log', stop = never } = {}): BytesPlace => {
      const place = all.open(log)
      place.take(bytes, stop).then(
        () => begun.push(name),
        () => begun.push(`${name}: given up`),
      )
      return place
    }
    return { all, begun, ask, settled: () => new Promise(resolve => setImmediate(resolve)) }
  }

  test('are so many together, and jobs go on in the order in which they asked', async () => {
    const { all, begun, ask, settled } = asking(10)
    const first = ask('first', 6)
    const second = ask('second', 4)
    ask('third', 8)
    ask('small, behind a large one', 1)
    await settled()
    expect(begun).toEqual(['first', 'second'])
    expect(all.held()).toBe(10)
    first.release()
    await settled()
    expect(begun).toEqual(['first', 'second'])
    second.release()
    await settled()
    expect(begun).toEqual(['first', 'second', 'third', 'small, behind a large one'])
    expect(all.held()).toBe(9)
  })

  test('keep no job waiting for ever, however large it is', async () => {
    const { begun, ask, settled } = asking(10)
    const first = ask('first', 1)
    ask('larger than all', 11)
    await settled()
    expect(begun).toEqual(['first'])
    first.release()
    await settled()
    expect(begun).toEqual(['first', 'larger than all'])
  })

  test('are shared by the logs alike: one whose parts never come keeps no other waiting', async () => {
    const { all, begun, ask, settled } = asking(10, 2)
    ask('never delivered', 10, { log: 'hostile' })
    ask('never begun', 1, { log: 'hostile' })
    const first = ask('first', 3)
    ask('second', 3)
    await settled()
    expect(begun).toEqual(['never delivered', 'first'])
    first.release()
    await settled()
    expect(begun).toEqual(['never delivered', 'first', 'second'])
    expect(all.held()).toBe(13)
  })

  test('are waited for until a signal ends that, and those behind go on', async () => {
    const { all, begun, ask, settled } = asking(10)
    const first = ask('first', 6)
    const stop = new AbortController()
    const large = ask('large', 8, { stop: stop.signal })
    ask('small', 4)
    await settled()
    expect(begun).toEqual(['first'])
    stop.abort()
    await settled()
    expect(begun).toEqual(['first', 'large: given up', 'small'])
    large.release()
    expect(all.held()).toBe(10)
    first.release()
    expect(all.held()).toBe(4)
    ask('large again', 1, { stop: stop.signal })
    await settled()
    expect(begun.at(-1)).toBe('large again: given up')
  })

  test('are counted right where a job of none ends beside others', async () => {
    const { all, begun, ask, settled } = asking(10)
    const none = ask('none', 0)
    await settled()
    ask('first', 6)
    await settled()
    none.release()
    ask('second', 5)
    await settled()
    expect(begun).toEqual(['none', 'first'])
    expect(all.held()).toBe(6)
  })

  test('are taken once for each job, and given back once', async () => {
    const { all, settled } = asking(10)
    const place = all.open('a log')
    await place.take(7, never)
    await place.take(7, never)
    expect(all.held()).toBe(7)
    place.release()
    place.release()
    await settled()
    expect(all.held()).toBe(0)
  })
})
