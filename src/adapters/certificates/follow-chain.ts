import type { Chain, StopFollowing } from '../chain/chain.ts'
import { wholeChange } from '../chain/whole-change.ts'
import type { OpenCertificateStore } from './certificate-store.ts'

/** Certificates keep step with the chain from now on, and with what has become of it while no node was here. */
export async function followChain(
  { missed, reorganised }: Pick<OpenCertificateStore, 'missed' | 'reorganised'>,
  chain: Pick<Chain, 'follow' | 'tip'>,
  wake: () => void = () => undefined,
): Promise<StopFollowing> {
  const unfollow = chain.follow(async ({ forkHeight }) => {
    reorganised(forkHeight)
    wake()
  })
  missed(wholeChange(await chain.tip()).forkHeight)
  return unfollow
}
