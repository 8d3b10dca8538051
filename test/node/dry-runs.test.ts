import { afterEach, describe, expect, test } from 'vitest'
import type { Json } from '../../src/core/canonical-json.ts'
import { orThrow } from '../../src/core/fault.ts'
import { readSource } from '../../src/core/registry/read-source.ts'
import { readStream } from '../../src/core/registry/read-stream.ts'
import type { DryRun } from '../../src/ingest/dry-run.ts'
import { type DryRuns, openDryRuns } from '../../src/node/dry-runs.ts'
import { party } from '../support/pipeline.ts'

const ownerKey = party('who tries policies').identityKey

let runs: DryRuns
afterEach(() => runs.stop())

const runOf = (policy: Json, samples: readonly Json[] = [{ a: 1 }]): DryRun => ({
  settings: orThrow(readStream({ streamId: 's', ownerKey })),
  ...{ policy, ownerKey, writers: [], feedIds: [], nowMs: 1_800_000_000_000, weightMax: 1_000 },
  tried: { source: orThrow(readSource({ sourceId: 'f', streams: ['s'] })), samples },
})

const tryOne = (who: string, asked: DryRun) => runs.tryPolicy(who, run => run(asked))

describe('trying policies in a thread', () => {
  test('gives up one that takes too long, and goes on with the next', async () => {
    // No policy is tried within no time at all.
    runs = openDryRuns({ msMax: 0, waitingMax: 8 })
    const many = Array.from({ length: 100 }, () => ({ a: 'a'.repeat(1_000) }))
    const slow = { v: 1, rules: [{ kind: 'pattern', field: 'a', pattern: '(a?){60}a{60}$' }] }
    expect(await tryOne('one', runOf(slow, many))).toBe('too-costly')
    await runs.stop()
    runs = openDryRuns({ msMax: 60_000, waitingMax: 8 })
    expect(await tryOne('one', runOf({ v: 1 }))).toMatchObject({
      ok: true,
      value: { events: [{ outcome: 'accepted' }] },
    })
  })

  test('tries one of an identity at a time, and lets so many wait', async () => {
    runs = openDryRuns({ msMax: 60_000, waitingMax: 2 })
    const begun: number[] = []
    const tried = ['one', 'one', 'two', 'three', 'four'].map((who, n) =>
      runs.tryPolicy(who, async run => {
        begun.push(n)
        return run(runOf({ v: 1 }))
      }),
    )
    const outcomes = await Promise.all(tried)
    expect(outcomes.map(outcome => (typeof outcome === 'string' ? outcome : outcome.ok))).toEqual([
      true,
      'one-at-a-time',
      true,
      true,
      'busy',
    ])
    // Whoever is not let in has nothing read for them.
    expect(begun).toEqual([0, 2, 3])
  })

  test('fails what comes up while it ends, and starts nothing more', async () => {
    runs = openDryRuns({ msMax: 60_000, waitingMax: 2 })
    const trying = runs.tryPolicy('one', async run => {
      await runs.stop()
      return run(runOf({ v: 1 }))
    })
    await expect(trying).rejects.toThrow('the node is stopping')
  })

  test('shares what rules may cost among all events of a run', async () => {
    runs = openDryRuns({ msMax: 60_000, waitingMax: 2 })
    const rules = [{ kind: 'schema', schema: { type: 'object', properties: { p: { pattern: 'b{400}' } } } }]
    const large = Array.from({ length: 100 }, () => ({ p: 'a'.repeat(5_000) }))
    const outcome = await tryOne('one', runOf({ v: 1, rules }, large))
    if (typeof outcome === 'string') throw new Error(outcome)
    const issues = orThrow(outcome).events.map(event => event.issues.map(({ text }) => text))
    expect(issues.at(0)).not.toContain('work-too-large::packet')
    expect(issues.at(-1)).toContain('work-too-large::packet')
  })
  test('refuses to show what it does to events, again and again, that are too long for it', async () => {
    runs = openDryRuns({ msMax: 60_000, waitingMax: 2 })
    const rules = Array.from({ length: 20 }, (_, n) => ({
      ...{ kind: 'enum', field: '/a', values: [n], severity: 'flag' },
    }))
    const outcome = await tryOne('one', runOf({ v: 1, rules }, [{ a: 'a'.repeat(200_000) }]))
    expect(outcome).toMatchObject({
      ok: false,
      fault: { code: 'policy-invalid', detail: expect.stringContaining('fewer of them') },
    })
  })
})
