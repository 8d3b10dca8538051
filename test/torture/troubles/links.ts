import { agentNames } from '../../support/agents-bed/operators.ts'
import { nodeNames } from '../cluster.ts'
import type { LinkManner } from '../link.ts'
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
    const link = cluster.links.get(`${between}`)
    const worse = manners[`${manner}`]
    if (link === undefined || worse === undefined)
      throw new Error(`no link ${between}, or none that ${manner}`)
    link.behave(worse)
    return async () => link.behave({ kind: 'passes' })
  },
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
