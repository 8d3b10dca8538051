import { execFileSync } from 'node:child_process'
import type { Cluster } from './cluster.ts'

const LOOK_EVERY_MS = 2_000
/** What a process of its kind may hold under this load, with room: a leak of what comes by would pass it within minutes. */
const MIB_MAX = { node: 900, agent: 500 } as const

export type Memory = {
  violations(): string[]
  /** By kind of process, the most that one has held. */
  most(): Record<string, number>
  stop(): Promise<void>
}

/** Looks again and again at how much memory each process holds. */
export function openMemory({ nodes, agents }: Cluster): Memory {
  const most = new Map<string, number>()
  const look = () => {
    const held = readResident()
    for (const { name, pid } of [...nodes, ...agents.values()]) {
      const mib = held.get(pid() ?? -1)
      if (mib !== undefined && mib > (most.get(name) ?? 0)) most.set(name, mib)
    }
  }
  const looking = setInterval(look, LOOK_EVERY_MS)
  const kindOf = (name: string) => (name.startsWith('node ') ? 'node' : 'agent')
  return {
    violations: () =>
      [...most].flatMap(([name, mib]) =>
        mib > MIB_MAX[kindOf(name)] ? [`${name} held ${mib} MiB, and may hold ${MIB_MAX[kindOf(name)]}`] : [],
      ),
    most() {
      const figures: Record<string, number> = { nodeMiB: 0, agentMiB: 0 }
      for (const [name, mib] of most)
        figures[`${kindOf(name)}MiB`] = Math.max(mib, figures[`${kindOf(name)}MiB`] ?? 0)
      return figures
    },
    async stop() {
      clearInterval(looking)
    },
  }
}

/** In MiB, by pid. */
function readResident(): Map<number, number> {
  const said = execFileSync('ps', ['-A', '-o', 'pid=,rss='], { encoding: 'utf8' })
  return new Map(
    said
      .trim()
      .split('\n')
      .map(line => {
        const [pid = 0, kib = 0] = line.trim().split(/\s+/).map(Number)
        return [pid, Math.round(kib / 1024)]
      }),
  )
}
