// vitest knows --testNamePattern; people who come from other runners type --grep. Both work here.
import { spawnSync } from 'node:child_process'
import path from 'node:path'

const given = process.argv.slice(2)
const args = []
for (let i = 0; i < given.length; i++) {
  const [flag, ...inline] = given[i].split('=')
  if (flag !== '--grep') args.push(given[i])
  else args.push('--testNamePattern', inline.length ? inline.join('=') : (given[++i] ?? ''))
}
const vitest = path.join(import.meta.dirname, '..', 'node_modules', 'vitest', 'vitest.mjs')
const units = ['test/core', 'test/contract', 'test/jobs', 'test/project']
const done = spawnSync(process.execPath, [vitest, 'run', ...units, ...args], { stdio: 'inherit' })
process.exit(done.status ?? 1)
