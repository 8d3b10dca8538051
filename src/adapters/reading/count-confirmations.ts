import { readBump } from '../../contract/bump.ts'
import { fromHex } from '../../core/bytes.ts'
import type { CountConfirmations } from '../../serve/packet-work.ts'
import type { Chain } from '../chain/chain.ts'

/** From the headers as they are now, and never from memory: a block can leave the best chain again. */
export function openCountConfirmations(chain: Pick<Chain, 'tip' | 'rootAt'> | undefined): CountConfirmations {
  return async (blockHeight, bump) => {
    const bytes = fromHex(bump)
    const path = bytes && readBump(bytes)
    if (chain === undefined || !path?.ok) return null
    try {
      const root = await chain.rootAt(blockHeight)
      const { height } = await chain.tip()
      return root === path.value.root && height >= blockHeight ? height - blockHeight + 1 : null
    } catch {
      // Whoever follows the chain reports what is wrong with it; here the number is not known then.
      return null
    }
  }
}
