import { describe, expect, test } from 'vitest'
import { repeat } from '../../src/runtime/repeat.ts'
import { until } from '../support/until.ts'

const HOUR_MS = 3_600_000
const never = { everyMs: HOUR_MS, onFailure: () => undefined }

describe('work that is repeated', () => {
  test('is done at once, and again without a pause for as long as there is more', async () => {
    let done = 0
    const repeating = repeat(async () => (++done < 4 ? 'more' : 'all'), never)
    await until(() => done === 4)
    await repeating.stop()
    expect(done).toBe(4)
  })

  test('is done once more where it is woken while it is under way, and never beside itself', async () => {
    let begun = 0
    let release = () => {}
    const repeating = repeat(async () => {
      begun += 1
      await new Promise<void>(resolve => {
        release = resolve
      })
    }, never)
    repeating.wake()
    repeating.wake()
    expect(begun).toBe(1)
    release()
    await until(() => begun === 2)
    const stopped = repeating.stop()
    release()
    await stopped
    expect(begun).toBe(2)
  })

  test('goes on after a failure, which is told', async () => {
    const told: unknown[] = []
    let done = 0
    const repeating = repeat(
      async () => {
        done += 1
        if (done === 1) throw new Error('no such luck')
      },
      { everyMs: HOUR_MS, againMs: 1, onFailure: error => told.push(error) },
    )
    await until(() => done === 2)
    await repeating.stop()
    expect(told).toEqual([new Error('no such luck')])
  })
})
