import { nodeNames } from '../cluster.ts'
import { pickOf, type Trouble } from '../trouble.ts'

/** The last blocks are replaced by others: what they held waits for a block again. */
export const chain: Trouble = {
  name: 'chain',
  ms: { min: 0, max: 500 },
  draw(choices) {
    const through = pickOf(nodeNames, choices)
    return { touches: [through, 'chain'], how: { through, depth: 1 + choices.pick(DEPTH_MAX) } }
  },
  async begin({ nodes, nodeUrls }, { through, depth }) {
    const url = nodeUrls[nodes.findIndex(({ name }) => name === through)]
    const response = await fetch(`${url}/chain/reorganise`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ depth }),
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    }).catch(() => undefined)
    const said = await response?.text()
    // Something else may keep it from that just now, or the chain may be too short: `blocksReplaced` counts what happened.
    if (
      response !== undefined &&
      !response.ok &&
      ![422, 503].includes(response.status) &&
      response.status < 500
    )
      throw new Error(`${response.status}: ${said}`)
    return async () => undefined
  },
}

const DEPTH_MAX = 6
const ANSWER_MS_MAX = 10_000
