import { reachableUrl, wholeNumber, yesOrNo } from './kinds.ts'
import { optional, setting } from './setting.ts'

/** The private chain. */
export const localChainSettings = {
  LOCAL_CHAIN_URL: optional(
    reachableUrl(),
    'node whose local chain this one follows; without it the chain lives in this node’s own database',
  ),
  LOCAL_BLOCK_MS: setting(wholeNumber(10, 3_600_000), '1000', 'pause between blocks of the local chain'),
  LOCAL_CHAIN_CONTROL: setting(
    yesOrNo(),
    'false',
    'whether the local chain can be reorganised over HTTP; for tests',
  ),
}
