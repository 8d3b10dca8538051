import type { Trouble } from '../trouble.ts'

/** No byte is left for the database and for what nodes store. */
export const fullDisk: Trouble = {
  name: 'full-disk',
  ms: { min: 2_000, max: 6_000 },
  missing: ({ disk }) => disk.unfillable,
  draw: () => ({ touches: ['postgres', 'disk'], how: {} }),
  async begin({ disk }) {
    await disk.fill()
    return () => disk.empty()
  },
}
