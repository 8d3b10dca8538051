import { expect, test } from 'vitest'
import { orThrow } from '../../../src/core/fault.ts'
import { until } from '../../support/until.ts'
import { auditFuel } from './audit-fuel.ts'
import { fuelBed, plainPlan, purpose } from './fuel-bed.ts'

const stages = ['normalize', 'validate', 'certify', 'certificate']

/**
 * Five minutes of rounds in every run, on a pool made for ten. An hour of them on the pool of a public chain:
 * ASSAY_ROUNDS=3600 npx vitest run test/adapters/fuel/long-gap.test.ts
 */
const rounds = Number(process.env['ASSAY_ROUNDS'] ?? 300)
const horizonSeconds = 2 * rounds

test(`${rounds} rounds, one a second, run on the pool while no block comes, and its level says truly how long it lasts`, {
  timeout: 60_000 + 600 * rounds,
}, async () => {
  // As fast as the machine is, and a second ahead with each round.
  let aheadMs = 0
  const made = await fuelBed(
    { fanout: 24, horizonSeconds, blockSeconds: 600 },
    { now: () => Date.now() + aheadMs },
  )
  const { fuel, bed } = made
  await made.fill()
  const { height } = await bed.chain.tip()
  const full = await fuel.level()
  expect(full.seconds).toBeGreaterThanOrEqual(horizonSeconds)

  let parents = 0
  async function runRound(second: number): Promise<boolean> {
    aheadMs += 1000
    const used = new Set<string>()
    for (const stage of stages) {
      const answer = await fuel.write(purpose(`round ${second}`, stage), plainPlan(300))
      if (!answer.ok) return false
      for (const { txid } of answer.value.inputs) used.add(txid)
    }
    parents += used.size
    return true
  }
  for (let second = 1; second <= rounds; second++) expect(await runRound(second)).toBe(true)
  const left = await fuel.level()
  expect(left.outputs).toBe(full.outputs - 4 * rounds)
  expect(left.seconds).toBe(full.seconds - rounds)
  expect(parents).toBe(rounds)

  // To the end: exactly as long as it said.
  let lasted = 0
  while (lasted <= left.seconds && (await runRound(rounds + lasted + 1))) lasted += 1
  expect(lasted).toBe(left.seconds)
  const refusal = await fuel.write(purpose('one too many'), plainPlan(300))
  expect(refusal).toMatchObject({ ok: false, fault: { code: 'fuel-exhausted' } })
  expect((await bed.chain.tip()).height).toBe(height)

  // And on it goes with the next block.
  await until(async () => {
    await bed.chain.mine()
    return (await fuel.level()).outputs > 0
  })
  orThrow(await fuel.write(purpose('one too many'), plainPlan(300)))
  expect(await auditFuel(bed.database.pool)).toEqual([])
  await made.close()
})
