import { EventEmitter, once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { oneByOne } from '../../src/runtime/one-by-one.ts'

/** Work that says when it begins, and ends when it is told to. */
function held(begun: string[], name: string) {
  const told = new EventEmitter()
  const ended = once(told, 'end')
  const work = async () => {
    begun.push(name)
    await ended
    return name
  }
  return { work, end: () => told.emit('end'), fail: () => told.emit('error', new Error(name)) }
}

describe('work that is done one by one', () => {
  test('begins once what was asked for under its name before has ended or failed', async () => {
    const begun: string[] = []
    const inTurn = oneByOne()
    const [first, second, third] = ['first', 'second', 'third'].map(name => held(begun, name))
    if (!first || !second || !third) throw new Error('three were made')
    const all = Promise.allSettled([first, second, third].map(({ work }) => inTurn('same', work)))
    await turn()
    expect(begun).toEqual(['first'])
    first.fail()
    await turn()
    expect(begun).toEqual(['first', 'second'])
    second.end()
    third.end()
    expect((await all).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
    expect(begun).toEqual(['first', 'second', 'third'])
  })

  test('waits for nothing of another name', async () => {
    const begun: string[] = []
    const inTurn = oneByOne()
    const [one, other] = [held(begun, 'one'), held(begun, 'other')]
    const all = [inTurn('one', one.work), inTurn('other', other.work)]
    await turn()
    expect(begun).toEqual(['one', 'other'])
    other.end()
    one.end()
    expect(await Promise.all(all)).toEqual(['one', 'other'])
  })
})

function turn() {
  return new Promise(resolve => setImmediate(resolve))
}
