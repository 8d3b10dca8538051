import type { Choices } from '../../core/rounds/simulator/choices.ts'
import { type AgentName, agentNames } from '../../support/agents-bed/operators.ts'
import { type Cluster, nodeNames } from '../cluster.ts'
import type { Member } from '../member.ts'
import { type Drawn, pickOf } from '../trouble.ts'

/** Who is met, of nodes and agents; each node as often as three agents. */
export function drawMember(choices: Choices): Drawn {
  const who = pickOf([...nodeNames, ...nodeNames, ...nodeNames, ...agentNames], choices)
  return { touches: [who], how: { who } }
}

export function memberCalled({ nodes, agents }: Cluster, name: string): Member {
  const found = nodes.find(node => node.name === name) ?? agents.get(name as AgentName)
  if (found === undefined) throw new Error(`there is no ${name}`)
  return found
}
