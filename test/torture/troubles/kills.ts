import { type AgentName, agentNames } from '../../support/agents-bed/operators.ts'
import { type Cluster, nodeNames } from '../cluster.ts'
import type { Member } from '../member.ts'
import { pickOf, type Trouble } from '../trouble.ts'

/** SIGKILL, and another process at the same address after a while. */
export const kills: Trouble = {
  name: 'kills',
  ms: { min: 0, max: 4_000 },
  draw(choices) {
    const who = pickOf([...nodeNames, ...nodeNames, ...nodeNames, ...agentNames], choices)
    return { touches: [who], how: { who } }
  },
  async begin(cluster, { who }) {
    const member = memberCalled(cluster, `${who}`)
    await member.kill()
    return () => member.start()
  },
}

export function memberCalled({ nodes, agents }: Cluster, name: string): Member {
  const found = nodes.find(node => node.name === name) ?? agents.get(name as AgentName)
  if (found === undefined) throw new Error(`there is no ${name}`)
  return found
}
