import { pickOf, type Trouble } from '../trouble.ts'

/** The database is killed and started again, or stands still for a while with all its sessions. */
export const postgres: Trouble = {
  name: 'postgres',
  ms: { min: 500, max: 5_000 },
  draw(choices) {
    const deed = pickOf(['killed', 'paused'], choices)
    return { touches: ['postgres'], how: { deed } }
  },
  async begin({ postgres: server }, { deed }) {
    if (deed === 'killed') {
      server.kill()
      // Whoever started it notices, and starts it again.
      return async () => undefined
    }
    server.pause()
    return async () => server.resume()
  },
}
