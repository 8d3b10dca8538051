import type { Trouble } from '../trouble.ts'
import { drawMember, memberCalled } from './one-member.ts'

/** SIGTERM, as before another version is started; it has to end in order, whatever else goes wrong, and another process takes its address. */
export const stops: Trouble = {
  name: 'stops',
  ms: { min: 0, max: 4_000 },
  draw: drawMember,
  async begin(cluster, { who }) {
    const member = memberCalled(cluster, `${who}`)
    try {
      await member.stop()
    } catch (error) {
      // It is one fault, and not another one that what was stopped is missing from then on.
      await member.start()
      throw error
    }
    return () => member.start()
  },
}
