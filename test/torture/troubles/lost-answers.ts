import { nodeNames } from '../cluster.ts'
import { pickOf, type Trouble } from '../trouble.ts'
import { linkCalled } from './links.ts'

/** What publishers send is taken, and they are never told: they have to ask again. */
export const lostAnswers: Trouble = {
  name: 'lost-answers',
  ms: { min: 500, max: 4_000 },
  draw(choices) {
    const between = `publishers - ${pickOf(nodeNames, choices)}`
    return { touches: [between], how: { between } }
  },
  async begin(cluster, { between }) {
    const link = linkCalled(cluster, `${between}`)
    link.behave({ kind: 'loses answers' })
    return async () => link.behave({ kind: 'passes' })
  },
}
