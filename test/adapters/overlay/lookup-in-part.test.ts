import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { HostedService } from '../../../src/adapters/overlay/hosted.ts'
import { LOOKUP_BYTES_MAX, lookup } from '../../../src/adapters/overlay/lookup.ts'
import type { Transaction } from '../../../src/contract/transaction.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { batchChain, one } from '../../support/batch-chains.ts'
import { batchTransaction, spendsOf } from '../../support/event-batches.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'

const publisher = party('publisher')
let bed: OverlayBed
beforeEach(async () => {
  bed = await overlayBed()
})
afterEach(() => bed.close())

describe('an answer that would be longer than one may be', () => {
  test('has what fits where the service lets it, mined and short ones first, and is refused where not', async () => {
    const [coin, other] = await bed.fund(publisher, 2)
    if (coin === undefined || other === undefined) throw new Error('two are funded')
    await bed.overlay.start()
    const mined = one(batchChain(publisher, other, 1))
    orThrow(await bed.overlay.submit(bed.submissionOf(mined)))
    await bed.mine()
    await until(async () => (await proven(mined)) === 1)
    // Each with all before it as its history: nine megabytes of them in all.
    const long = longChain(coin, 17)
    for (const [n, transaction] of long.entries())
      orThrow(await bed.overlay.submit(bed.submissionOf(transaction, ...long.slice(0, n))))

    const asked = [...[...long].reverse(), mined].map(({ txid }) => ({ txid, outputIndex: 0 }))
    expect(await find(asked, {})).toMatchObject({ ok: false, fault: { code: 'answer-too-large' } })
    const { outputs } = orThrow(await find(asked, { answersInPart: true }))
    const found = outputs.map(({ txid }) => txid)
    expect(found).toContain(mined.txid)
    expect(found.length).toBeGreaterThan(asked.length / 2)
    expect(found).toEqual(asked.map(({ txid }) => txid).filter(txid => found.includes(txid)))
    const bytes = outputs.flatMap(({ history }) => history.map(({ raw }) => raw.length))
    expect(bytes.reduce((a, b) => a + b)).toBeLessThanOrEqual(LOOKUP_BYTES_MAX)
    // With a smaller limit, the others.
    expect(orThrow(await find(asked.slice(0, 3), { answersInPart: true })).outputs).toHaveLength(3)
  })
})

function longChain(coin: Parameters<typeof batchChain>[1], length: number): Transaction[] {
  const chain: Transaction[] = []
  const textAt = (n: number) => `{"n":${n},"x":"${'x'.repeat(60_000)}"}\n`
  for (let n = 0; n < length; n++) {
    const before = chain.at(-1)
    const spends = before === undefined ? [coin] : spendsOf(publisher, before, textAt(n - 1)).slice(1)
    chain.push(batchTransaction(publisher, spends, { text: textAt(n) }))
  }
  return chain
}

async function proven({ txid }: Transaction): Promise<number> {
  const { rowCount } = await bed.database.pool.query(
    'select from transactions where txid = $1 and proof is not null',
    [Buffer.from(txid, 'hex')],
  )
  return rowCount ?? 0
}

/** As of a service that finds these. */
function find(
  found: Awaited<ReturnType<HostedService['lookup']>>,
  says: Pick<HostedService, 'answersInPart'>,
) {
  const service: HostedService = {
    admissionMode: 'locking-script',
    spendNotificationMode: 'none',
    ...says,
    outputAdmittedByTopic: async () => undefined,
    outputEvicted: async () => undefined,
    lookup: async () => found,
    getDocumentation: async () => '',
    getMetaData: async () => ({ name: '', shortDescription: '' }),
  }
  return lookup('ls_any', {}, { services: { ls_any: service }, db: bed.database.pool })
}
