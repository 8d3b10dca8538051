import { agentNames } from '../../support/agents-bed/operators.ts'
import { nodeNames } from '../cluster.ts'
import { pickOf, type Trouble } from '../trouble.ts'
import { memberCalled } from './kills.ts'

/** SIGSTOP, and SIGCONT after a while: whoever is stopped comes back and believes that it is still then. */
export const pauses: Trouble = {
  name: 'pauses',
  ms: { min: 500, max: 8_000 },
  draw(choices) {
    const who = pickOf([...nodeNames, ...nodeNames, ...nodeNames, ...agentNames], choices)
    return { touches: [who], how: { who } }
  },
  async begin(cluster, { who }) {
    const member = memberCalled(cluster, `${who}`)
    member.pause()
    return async () => member.resume()
  },
}
