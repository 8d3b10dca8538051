import { describe, expect, test } from 'vitest'
import { jobProgress, type SeatRow } from '../../src/jobs/progress.ts'

const [a, b] = ['aa'.repeat(32), 'bb'.repeat(32)]
const seat = (operator: string, leaves?: readonly string[]): SeatRow => ({
  agentKey: `agent of ${operator}`,
  operator,
  answer: leaves === undefined ? undefined : { status: 'completed', leaves },
})

describe('how far a job is', () => {
  test('is waiting while nobody has answered', () => {
    expect(jobProgress('enhanced', 2, [seat('x'), seat('y'), seat('z')])).toMatchObject({
      progress: 'waiting',
      completionPercentage: 0,
      consensusAchieved: false,
      operatorsAgreeing: 0,
      operatorsNeeded: 2,
    })
  })

  test('counts members on which enough operators agree, and no count of answers is consensus', () => {
    const seats = [seat('x', [a, a]), seat('y', [a, b]), seat('z')]
    expect(jobProgress('enhanced', 2, seats)).toMatchObject({
      progress: 'answered',
      completionPercentage: 50,
      consensusAchieved: false,
      operatorsAgreeing: 1,
    })
    expect(jobProgress('enhanced', 2, [...seats.slice(0, 2), seat('z', [a, b])])).toMatchObject({
      progress: 'agreed',
      completionPercentage: 100,
      consensusAchieved: true,
      operatorsAgreeing: 2,
    })
  })

  test('takes two answers of one operator for one', () => {
    expect(jobProgress('enhanced', 1, [seat('x', [a]), seat('x', [a])])).toMatchObject({
      consensusAchieved: false,
      operatorsAgreeing: 1,
    })
  })
})
