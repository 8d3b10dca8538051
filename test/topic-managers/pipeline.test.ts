import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { baseLookupServices } from '../../src/contract/names.ts'
import { orThrow } from '../../src/core/fault.ts'
import { type OverlayBed, overlayBed } from '../support/overlay-bed.ts'
import { roundOnBed } from '../support/round-on-bed.ts'

describe('a round that is submitted step by step', () => {
  let bed: OverlayBed
  beforeAll(async () => {
    bed = await overlayBed()
  })
  afterAll(() => bed.close())

  test('is admitted by the topics of its stages, which keep what later steps spend', async () => {
    const round = await roundOnBed(bed)
    const answers: string[] = []
    for (const { beef, topics } of round.steps) {
      const steak = orThrow(await bed.overlay.submit({ beef, topics }))
      for (const topic of topics) {
        const { outputsToAdmit, coinsToRetain, coinsRemoved } = steak[topic] ?? {}
        const short = topic.replace('tm_gitdata_events_', '')
        answers.push(`${short} +${outputsToAdmit} =${coinsToRetain} -${coinsRemoved}`)
      }
    }
    const result = (stage: string) => `${stage} +0 =0 -`
    expect(answers).toEqual([
      'normalize +0,1,2,3 = -',
      ...Array(3).fill(result('normalize')),
      'validate +0,1,2,3 = -',
      'normalize + =0,1,2,3 -',
      ...Array(3).fill(result('validate')),
      'certify +0,1,2,3 = -',
      'validate + =0,1,2,3 -',
      ...Array(3).fill(result('certify')),
      'certified +1,3 = -',
      'certify + =0,1,2,3 -',
    ])
    const { outputs } = orThrow(await bed.overlay.lookup(baseLookupServices.jobs, { spent: true }))
    expect(outputs).toHaveLength(21)
  })
})
