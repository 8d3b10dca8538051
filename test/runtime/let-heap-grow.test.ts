import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const child = fileURLToPath(new URL('./churn-child.ts', import.meta.url))

test('a small heap is collected whole far less often where it may grow first', async () => {
  const leftToV8 = await collections([])
  const grown = await collections(['grow'])
  expect(leftToV8).toBeGreaterThan(4)
  expect(grown).toBeLessThan(leftToV8 / 2)
})

async function collections(args: readonly string[]): Promise<number> {
  const flags = ['--expose-gc', '--conditions=source', '--import', 'tsx']
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, child, ...args])
  return Number(stdout)
}
