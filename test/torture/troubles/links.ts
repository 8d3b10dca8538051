import { agentNames } from '../../support/agents-bed/operators.ts'
import { type Cluster, nodeNames } from '../cluster.ts'
import type { Link, LinkManner } from '../link.ts'
import { pickOf, type Trouble } from '../trouble.ts'

/** A link is cut, slow, narrow, silent, or loses what is answered. */
export const links: Trouble = {
  name: 'links',
  ms: { min: 1_000, max: 8_000 },
  draw(choices) {
    const between = pickOf(linkNames, choices)
    const manner = pickOf(Object.keys(manners), choices)
    return { touches: [between], how: { between, manner } }
  },
  async begin(cluster, { between, manner }) {
    const link = linkCalled(cluster, `${between}`)
    const worse = manners[`${manner}`]
    if (worse === undefined) throw new Error(`no link ${manner}`)
    link.behave(worse)
    return async () => link.behave({ kind: 'passes' })
  },
}

export function linkCalled({ links: all }: Cluster, name: string): Link {
  const found = all.get(name)
  if (found === undefined) throw new Error(`there is no link ${name}`)
  return found
}

/** Publishers as often as all agents together. */
const linkNames: readonly string[] = [
  ...nodeNames.flatMap(node => [
    ...Array<string>(3).fill(`publishers - ${node}`),
    ...Array<string>(2).fill(`readers - ${node}`),
    ...Array<string>(2).fill(`agents - ${node}`),
  ]),
  ...agentNames.map(agent => `nodes - ${agent}`),
]

const manners: Readonly<Record<string, LinkManner>> = {
  'is cut': { kind: 'is cut' },
  swallows: { kind: 'swallows' },
  'loses answers': { kind: 'loses answers' },
  delays: { kind: 'delays', ms: 300 },
  throttles: { kind: 'throttles', bytesPerSecond: 20_000 },
}
