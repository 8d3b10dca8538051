import { nodeNames } from '../cluster.ts'
import type { Trouble } from '../trouble.ts'
import { memberCalled } from './one-member.ts'

/** Neither node may spend anything: what has to be certified waits, and events are taken all the same. */
export const fuel: Trouble = {
  name: 'fuel',
  ms: { min: 3_000, max: 8_000 },
  draw: () => ({ touches: [...nodeNames, 'fuel'], how: { satsPerDay: 1 } }),
  async begin(cluster, { satsPerDay }) {
    await restartAll({ MAX_SATS_PER_DAY: `${satsPerDay}` })
    return () => restartAll({})

    async function restartAll(settings: Readonly<Record<string, string>>): Promise<void> {
      for (const name of nodeNames) {
        const node = memberCalled(cluster, name)
        await node.kill()
        await node.start(settings)
      }
    }
  },
}
