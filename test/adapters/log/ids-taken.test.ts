import { expect, test } from 'vitest'
import { ASKED_AFTER_REPEAT, openIdsMode } from '../../../src/adapters/log/ids-taken.ts'
import type { AppendOutcome } from '../../../src/ingest/append.ts'

const fresh: AppendOutcome = {
  kind: 'answered',
  items: [{ status: 'rejected', code: 'event-unreadable', detail: '' }],
  replayed: false,
}
const repeated: AppendOutcome = {
  kind: 'answered',
  items: [{ status: 'duplicate', of: 'a' }],
  replayed: false,
}

function after(...groups: readonly (readonly AppendOutcome[])[]) {
  const mode = openIdsMode()
  mode.repeated()
  for (const outcomes of groups) mode.answered(outcomes)
  return mode.now()
}

test('ids are taken as new until one of them is not', () => {
  const mode = openIdsMode()
  mode.answered([fresh])
  expect(mode.now()).toBe('as-new')
  mode.repeated()
  expect(mode.now()).toBe('asked')
})

test('ids are asked for until so many transactions in a row were without a repetition', () => {
  const quiet = Array.from({ length: ASKED_AFTER_REPEAT }, () => [fresh])
  expect(after(...quiet.slice(1))).toBe('asked')
  expect(after(...quiet)).toBe('as-new')
  expect(after(...quiet.slice(1), [fresh, repeated], ...quiet.slice(1))).toBe('asked')
})
