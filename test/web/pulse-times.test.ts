import { expect, test } from 'vitest'
import { ANSWER_MS_MAX, LOOK_MS } from '../../web/shell/pulse-times.ts'

test('a node that stops just after it was looked at is missed within two seconds', () => {
  expect(LOOK_MS + ANSWER_MS_MAX).toBeLessThan(2_000)
})
