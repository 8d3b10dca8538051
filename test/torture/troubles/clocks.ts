import { existsSync, readdirSync } from 'node:fs'
import { agentNames } from '../../support/agents-bed/operators.ts'
import { nodeNames } from '../cluster.ts'
import { pickOf, type Trouble } from '../trouble.ts'
import { memberCalled } from './one-member.ts'

/** A node or an agent whose clock is wrong: killed, and started under another time; and once more under the right one. */
export const clocks: Trouble = {
  name: 'clocks',
  ms: { min: 4_000, max: 10_000 },
  missing: () =>
    library === undefined ? 'clocks are set by libfaketime: apt-get install libfaketime' : undefined,
  draw(choices) {
    const who = pickOf([...nodeNames, ...agentNames], choices)
    const seconds = pickOf([-30, -3, 3, 30], choices)
    return { touches: [who], how: { who, seconds } }
  },
  async begin(cluster, { who, seconds }) {
    const member = memberCalled(cluster, `${who}`)
    await member.kill()
    const ahead = Number(seconds) < 0 ? `${seconds}` : `+${seconds}`
    // Pauses and timeouts are measured by a clock that nobody sets.
    await member.start({ LD_PRELOAD: library ?? '', FAKETIME: ahead, FAKETIME_DONT_FAKE_MONOTONIC: '1' })
    return async () => {
      await member.kill()
      await member.start()
    }
  },
}

const library = findLibrary()

function findLibrary(): string | undefined {
  const folders = [
    '/usr/lib',
    ...(existsSync('/usr/lib') ? readdirSync('/usr/lib').map(name => `/usr/lib/${name}`) : []),
  ]
  return folders.map(folder => `${folder}/faketime/libfaketime.so.1`).find(existsSync)
}
