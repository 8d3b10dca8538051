import pg from 'pg'
import type { Choices } from '../core/rounds/simulator/choices.ts'
import { until } from '../support/until.ts'
import type { ChildNode } from './child-node.ts'
import type { NodeHome } from './node-home.ts'
import { pause } from './submit-load.ts'

export type Victim = 'node' | 'server' | 'both' | 'backend' | 'starting node'

/** Node and server in turn, as many as asked for, and after every second one of the others. */
export function victims(kills: number): Victim[] {
  return Array.from({ length: kills }, (_, n): Victim[] => {
    const plain = n % 2 === 0 ? 'node' : 'server'
    const rarer = rare[Math.floor(n / rareEvery) % rare.length]
    return n % rareEvery === rareEvery - 1 && rarer !== undefined ? [plain, rarer] : [plain]
  }).flat()
}

const rare = ['starting node', 'backend', 'both'] as const
const rareEvery = 2

/** Kills it this very moment, and brings up again what does not come up by itself. Resolves with the node there is now. */
export async function killAndRestart(
  victim: Victim,
  { home, node, choices }: { home: NodeHome; node: ChildNode; choices: Choices },
): Promise<ChildNode> {
  switch (victim) {
    case 'node':
      await node.kill()
      return home.start()
    case 'server': {
      const killed = killServer(home)
      await until(() => ![undefined, killed].includes(home.postmaster()) || node.hasExited())
      return node
    }
    case 'both':
      killServer(home)
      await node.kill()
      return home.start()
    case 'backend':
      await home.withDatabase(url => killBackend(url, choices))
      return node
    case 'starting node': {
      await node.kill()
      if (choices.chance(50)) killServer(home)
      const starting = home.start()
      await pause(choices.pick(START_MS_MAX))
      await starting.kill()
      return home.start()
    }
  }
}

/** Somewhat longer than a start takes. */
const START_MS_MAX = 4_000

function killServer(home: NodeHome): number {
  const pid = home.postmaster()
  if (pid === undefined) throw new Error('there is no PostgreSQL to kill')
  process.kill(pid, 'SIGKILL')
  return pid
}

/** PostgreSQL then ends all its sessions and recovers, under the same postmaster. */
async function killBackend(url: string, { pick }: Choices): Promise<void> {
  const client = new pg.Client(url)
  // Its end is what is waited for.
  client.on('error', () => undefined)
  await client.connect()
  const ended = new Promise(resolve => client.once('end', resolve))
  while (!(await killOne(client, pick)));
  await ended
}

/** False where the session that was picked has ended by itself meanwhile: then it is another one's turn. */
async function killOne(client: pg.Client, pick: Choices['pick']): Promise<boolean> {
  const { rows } = await client.query<{ pid: number }>(
    `select pid from pg_stat_activity where backend_type = 'client backend' and application_name = 'assay' order by pid`,
  )
  const pid = rows[pick(rows.length)]?.pid
  if (pid === undefined) return false
  try {
    return process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false
    throw error
  }
}
