import { describe, expect, test } from 'vitest'
import { startThread } from '../../src/runtime/thread.ts'
import { until } from '../support/until.ts'

function start() {
  const heard: unknown[] = []
  const failures: string[] = []
  const thread = startThread<'answer' | 'throw' | 'end', unknown>(
    new URL('./told-thread.ts', import.meta.url),
    {
      data: { name: 'one' },
      onMessage: message => heard.push(message),
      onFailure: ({ message }) => failures.push(message),
    },
  )
  return { thread, heard, failures }
}

describe('a thread', () => {
  test('has what it was started with, answers, and ends when it is asked to', async () => {
    const { thread, heard, failures } = start()
    thread.post('answer')
    await until(() => heard.length > 0)
    expect(heard).toEqual([{ name: 'one' }])
    thread.mayEnd()
    thread.post('end')
    await thread.ended
    expect(failures).toEqual([])
  })

  test('that throws is told of once', async () => {
    const { thread, failures } = start()
    thread.post('throw')
    await thread.ended
    expect(failures).toEqual(['told to throw'])
  })

  test('that ends by itself has failed', async () => {
    const { thread, failures } = start()
    thread.post('end')
    await thread.ended
    expect(failures).toEqual(['the thread has ended with exit code 0, and nobody has asked it to'])
  })
})
