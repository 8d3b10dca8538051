import type { Trouble } from '../trouble.ts'
import { drawMember, memberCalled } from './one-member.ts'

/** SIGSTOP, and SIGCONT after a while: whoever is stopped comes back and believes that it is still then. */
export const pauses: Trouble = {
  name: 'pauses',
  ms: { min: 500, max: 8_000 },
  draw: drawMember,
  async begin(cluster, { who }) {
    const member = memberCalled(cluster, `${who}`)
    member.pause()
    return async () => member.resume()
  },
}
