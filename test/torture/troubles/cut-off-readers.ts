import { nodeNames } from '../cluster.ts'
import { pickOf, type Trouble } from '../trouble.ts'
import { linkCalled } from './links.ts'

/** Readers lose their connections in the middle of what they are told, and come back with their places. */
export const cutOffReaders: Trouble = {
  name: 'cut-off-readers',
  ms: { min: 200, max: 2_000 },
  draw(choices) {
    const between = `readers - ${pickOf(nodeNames, choices)}`
    return { touches: [between], how: { between } }
  },
  async begin(cluster, { between }) {
    const link = linkCalled(cluster, `${between}`)
    link.behave({ kind: 'is cut' })
    return async () => link.behave({ kind: 'passes' })
  },
}
