import type { NetworkChain } from '../adapters/chain/network/network-chain.ts'
import type { HealthCheck } from '../http/health-routes.ts'

/** So far behind its source, a node would refuse proofs that everybody else takes. */
const BLOCKS_BEHIND_MAX = 144

/** What a node knows of a public network, and since when it has heard nothing new. */
export function networkHealth(chain: Pick<NetworkChain, 'standing'>, now: () => number): HealthCheck[] {
  return [
    {
      name: 'chain',
      critical: true,
      async run() {
        const { tip, tipMs, behind = 0 } = chain.standing()
        if (tip.height === 0) throw new Error('no block headers are here yet; they are being fetched')
        const said = `height ${tip.height}, a block of ${ago(now() - tipMs)}`
        if (behind > BLOCKS_BEHIND_MAX)
          throw new Error(`${said}; ${behind} block headers are still being fetched`)
        return said
      },
    },
    {
      name: 'headers',
      critical: false,
      async run() {
        const { heardMs, trouble } = chain.standing()
        const heard = heardMs === undefined ? 'never heard' : `last heard ${ago(now() - heardMs)}`
        if (trouble !== undefined) throw new Error(`${trouble} (${heard})`)
        return heard
      },
    },
  ]
}

function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 120) return `${seconds} s ago`
  const minutes = Math.round(seconds / 60)
  return minutes < 120 ? `${minutes} min ago` : `${Math.round(minutes / 60)} h ago`
}
