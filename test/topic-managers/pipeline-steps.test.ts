import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FoundOutput } from '../../src/adapters/overlay/lookup.ts'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { utf8 } from '../../src/core/bytes.ts'
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
    const offChainValues = utf8(round.packets.map(({ certified }) => certified.manifestJson).join('\n'))
    for (const { beef, topics } of round.steps) {
      const isCertificate = topics[0] === baseTopics.certified
      const steak = orThrow(
        await bed.overlay.submit({ beef, topics, ...(isCertificate && { offChainValues }) }),
      )
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
    const streamId = 'sensors.temperature'
    const certified = await bed.overlay.lookup(baseLookupServices.certificates, { streamId, packetNo: 1 })
    expect(orThrow(certified).outputs.map(contextOf)).toMatchObject([
      {
        versionId: round.packets[1]?.certified.versionId,
        contentHash: round.packets[1]?.validated.outputHash,
        spent: false,
      },
    ])
    const operator = round.operators[2]?.identityKey
    for (const service of [baseLookupServices.jobs, baseLookupServices.certificates])
      expect(orThrow(await bed.overlay.lookup(service, { operator })).outputs.length).toBeGreaterThan(1)
  })
})

function contextOf({ context }: FoundOutput): unknown {
  return JSON.parse(Buffer.from(context ?? []).toString())
}
