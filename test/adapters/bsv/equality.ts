import { createHash } from 'node:crypto'
import { expect, vi } from 'vitest'
import { installNativeCurve } from '../../../src/adapters/bsv/native-curve.ts'

/** How often each comparison is made: a slice of the long run, which is `ASSAY_EQUALITY_RUNS=3000`. */
export const equalityRuns = Number(process.env['ASSAY_EQUALITY_RUNS'] ?? 150)
// The long run takes minutes.
vi.setConfig({ testTimeout: 60_000 + 400 * equalityRuns })

/** 32 bytes that look random, the same in every run. */
export function bytes32(label: string, index = 0): number[] {
  return [...createHash('sha256').update(`${label} ${index}`).digest()]
}

/** What a call comes to: its value, or the complaint that it ended with. */
export type Answer = unknown

export async function answerOf(ask: () => unknown): Promise<Answer> {
  try {
    return await ask()
  } catch (error) {
    return `throws ${error instanceof Error ? error.message.split('\n')[0] : error}`
  }
}

/**
 * Asks all of them of the SDK as it comes, then again with libsecp256k1 under it, and expects the same answers.
 * Resolves with those.
 */
export async function sameUnderBoth(questions: readonly [string, () => unknown][]): Promise<Answer[]> {
  const ask = async () => {
    const answers: [string, Answer][] = []
    for (const [name, question] of questions) answers.push([name, await answerOf(question)])
    return answers
  }
  const stock = await ask()
  const under = await natively(ask)
  expect(under).toEqual(stock)
  return stock.map(([, answer]) => answer)
}

export async function natively<T>(run: () => T | Promise<T>): Promise<T> {
  const { uninstall } = installNativeCurve()
  try {
    return await run()
  } finally {
    uninstall()
  }
}
