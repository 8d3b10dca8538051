import type { Trouble } from '../trouble.ts'
import { drawMember, memberCalled } from './one-member.ts'

/** SIGKILL, and another process at the same address after a while. */
export const kills: Trouble = {
  name: 'kills',
  ms: { min: 0, max: 4_000 },
  draw: drawMember,
  async begin(cluster, { who }) {
    const member = memberCalled(cluster, `${who}`)
    await member.kill()
    return () => member.start()
  },
}
