import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { baseTopics } from '../../../src/contract/names.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { one } from '../../support/batch-chains.ts'
import { findDisagreements } from '../../support/check-overlay.ts'
import { batchTransaction } from '../../support/event-batches.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { party } from '../../support/pipeline.ts'

const publisher = party('publisher')
let bed: OverlayBed

beforeAll(async () => {
  bed = await overlayBed()
})
afterAll(() => bed.close())

describe('a node that guesses that a submission is new', () => {
  test('answers as the node did that has it stored already', async () => {
    const other = await nodeThatGuesses()
    const batch = batchTransaction(publisher, await bed.fund(publisher, 1), { text: '{"n":1}\n' })
    const submission = bed.submissionOf(batch)
    const first = orThrow(await bed.overlay.submit(submission))
    expect(first[baseTopics.ingest]?.outputsToAdmit).toEqual([0])
    expect(orThrow(await other.submit(submission))).toEqual(first)
  })

  test('refuses what spends a coin that another node has recorded as spent', async () => {
    const other = await nodeThatGuesses()
    const coin = [one(await bed.fund(publisher, 1))]
    orThrow(
      await bed.overlay.submit(bed.submissionOf(batchTransaction(publisher, coin, { text: '{"n":2}\n' }))),
    )
    const second = await other.submit(
      bed.submissionOf(batchTransaction(publisher, coin, { text: '{"n":3}\n' })),
    )
    expect(second).toMatchObject({ ok: false, fault: { code: 'double-spend' } })
  })

  test('records it once where several such nodes are told at the same time', async () => {
    const nodes = [await nodeThatGuesses(), await nodeThatGuesses(), await nodeThatGuesses()]
    const submission = bed.submissionOf(
      batchTransaction(publisher, await bed.fund(publisher, 1), { text: '{"n":4}\n' }),
    )
    const steaks = await Promise.all(nodes.map(async node => orThrow(await node.submit(submission))))
    for (const steak of steaks) expect(steak[baseTopics.ingest]?.outputsToAdmit).toEqual([0])
    expect(await findDisagreements(bed.database.pool)).toEqual([])
  })

  test('looks after all where something was evicted since it last looked', async () => {
    const other = await nodeThatGuesses()
    const gone = batchTransaction(publisher, await bed.fund(publisher, 1), { text: '{"n":5}\n' })
    orThrow(await bed.overlay.submit(bed.submissionOf(gone)))
    await bed.overlay.evict(gone.txid, 'the test asks for it')
    const batch = batchTransaction(publisher, await bed.fund(publisher, 1), { text: '{"n":6}\n' })
    expect(orThrow(await other.submit(bed.submissionOf(batch)))[baseTopics.ingest]?.outputsToAdmit).toEqual([
      0,
    ])
  })
})

/** A node has to have looked once before it guesses. */
async function nodeThatGuesses() {
  const node = bed.open()
  const batch = batchTransaction(publisher, await bed.fund(publisher, 1), { text: '{"first":true}\n' })
  orThrow(await node.submit(bed.submissionOf(batch)))
  return node
}
