import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { verify } from '../../src/bin/verify.ts'
import { asShown, shownCommands } from '../support/shown-commands.ts'

const page = readFileSync(new URL('../../docs/verify.md', import.meta.url), 'utf8')
const root = fileURLToPath(new URL('../../', import.meta.url))
afterEach(() => vi.restoreAllMocks())

describe('docs/verify.md', () => {
  const offline = shownCommands(page).filter(
    ({ args }) => args[0] === 'verify' && !args.includes('--node') && !args.includes('--all'),
  )

  test('has commands for the levels, and for what is no proof', () => {
    expect(offline.length).toBe(4)
  })

  test.each(offline)('shows what assay $args prints', async ({ args, shown }) => {
    const said: string[] = []
    vi.spyOn(console, 'log').mockImplementation(text => said.push(text))
    await verify(args.slice(1))
    expect(`${said.join('\n')}\n`).toMatch(asShown(shown))
  })

  test('has a program that says what it says it does', () => {
    const [, program = ''] = /^```js\n([\s\S]*?)^```$/m.exec(page) ?? []
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--conditions=source', '--import', 'tsx', '--input-type=module', '--eval', program],
      { cwd: root, encoding: 'utf8' },
    )
    const [, promised] = /console\.log\(.*\/\/ (.*)/.exec(program) ?? []
    expect([stdout, stderr]).toEqual([`${promised}\n`, ''])
  })
})
