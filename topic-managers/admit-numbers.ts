import { readBeef } from '../src/contract/beef.ts'
import type { AdmittanceInstructions, TopicManager } from './topic-manager.ts'

/** `admit` for hosts that hold bytes as lists of numbers. */
export function admitNumbers(
  manager: Pick<TopicManager, 'admit'>,
  beefBytesMax: number,
  beefNumbers: number[],
  previousCoins: number[],
  offChainNumbers?: number[],
): AdmittanceInstructions {
  const beef = readBeef(Uint8Array.from(beefNumbers), { bytesMax: beefBytesMax })
  // Coins are kept also then: a host removes what is not retained, and these were admitted for good reasons.
  if (!beef.ok) return { outputsToAdmit: [], coinsToRetain: [...previousCoins] }
  const offChainValues = offChainNumbers && Uint8Array.from(offChainNumbers)
  const { outputsToAdmit, coinsToRetain } = manager.admit(beef.value, previousCoins, offChainValues)
  return { outputsToAdmit, coinsToRetain }
}
