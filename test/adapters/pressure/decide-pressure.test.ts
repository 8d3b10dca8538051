import { describe, expect, test } from 'vitest'
import { decidePressure, unpressed } from '../../../src/adapters/pressure/decide-pressure.ts'

const bounds = { unpackedEventsMax: 1000, freeBytesMin: 100 }
const calm = { unpackedEvents: 0, freeBytes: 1000 }

/** What is refused while a load takes one value after the other. */
function refusals(of: 'backlog' | 'disk', loads: readonly Partial<typeof calm>[]): boolean[] {
  let pressed = unpressed
  return loads.map(load => {
    pressed = decidePressure(pressed, { ...calm, ...load }, bounds)
    return pressed[of]
  })
}

describe('pressure', () => {
  test('of a backlog begins at the bound, and ends well below it', () => {
    const counts = [999, 1000, 999, 800, 799, 800, 999, 1000]
    expect(
      refusals(
        'backlog',
        counts.map(unpackedEvents => ({ unpackedEvents })),
      ),
    ).toEqual([...[false, true, true, true], ...[false, false, false, true]])
  })

  test('of a disk begins below the bound, and ends well above it', () => {
    const free = [100, 99, 100, 124, 125, 100, 99]
    expect(
      refusals(
        'disk',
        free.map(freeBytes => ({ freeBytes })),
      ),
    ).toEqual([...[false, true, true, true], ...[false, false, true]])
  })
})
