import { knownHex } from '../../../core/bytes.ts'
import type { Network } from '../../../core/network.ts'

export type PublicNetwork = Exclude<Network, 'local'>

/** Where a network's headers begin, and what sets it apart from others that begin alike. */
export type Anchor = {
  /** The first header, 80 bytes. */
  readonly genesis: Uint8Array
  /** The `bits` of the easiest target that a block may have. */
  readonly easiestBits: number
  /** From one block to the next. `free` where a late block may be an easy one, as on test networks. */
  readonly difficultySteps: 'bounded' | 'free'
  /** Hashes by height. A chain that passes one of these heights with another header is another chain. */
  readonly checkpoints: ReadonlyMap<number, string>
}

/** The same coinbase begins all of Bitcoin's networks, so they have this root in common. */
const GENESIS_ROOT = '3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a'
const VERSION = '01000000'
const NOTHING_BEFORE = '00'.repeat(32)
const EASIEST_BITS = 0x1d00ffff

/**
 * Other networks have split off that share these genesis blocks, one of them with more work than ours: their header
 * services would be followed without complaint if it were not for the checkpoints at and after the splits.
 */
export const anchors: Readonly<Record<PublicNetwork, Anchor>> = {
  mainnet: {
    genesis: knownHex(`${VERSION}${NOTHING_BEFORE}${GENESIS_ROOT}29ab5f49ffff001d1dac2b7c`),
    easiestBits: EASIEST_BITS,
    difficultySteps: 'bounded',
    checkpoints: new Map([
      [105_000, '00000000000291ce28027faea320c8d2b054b2e0fe44a773f3eefb151d6bdc97'],
      [210_000, '000000000000048b95347e83192f69cf0366076336c639f9b7228e9ba171342e'],
      [400_000, '000000000000000004ec466ce4732fe6f1ed1cddc2ed4b328fff5224276e3f6f'],
      [478_558, '0000000000000000011865af4122fe3b144e2cbeea86142e8ff2fb4107352d43'],
      [504_031, '0000000000000000011ebf65b60d0a3de80b8175be709d653b4c1a1beeb6ab9c'],
      [556_767, '000000000000000001d956714215d96ffc00e0afda4cd0a96c96f8d802b1662b'],
      [698_000, '0000000000000000110bc09a369e0d34f6417c717bbd4a3a29a0c10b9e8ebf57'],
      [802_000, '000000000000000008f42d72af179115c35561d921f43829341967dcb8adbafd'],
    ]),
  },
  testnet: {
    genesis: knownHex(`${VERSION}${NOTHING_BEFORE}${GENESIS_ROOT}dae5494dffff001d1aa4ae18`),
    easiestBits: EASIEST_BITS,
    difficultySteps: 'free',
    checkpoints: new Map([
      [100_000, '00000000009e2958c15ff9290d571bf9459e93b19765c6801ddeccadbb160a1e'],
      [500_011, '00000000000929f63977fbac92ff570a9bd9e7715401ee96f2848f7b07750b02'],
      [1_000_007, '00000000001ccb893d8a1f25b70ad173ce955e5f50124261bbbc50379a612ddf'],
      [1_155_875, '00000000f17c850672894b9a75b63a1e72830bbd5f4c8889b5c1a80e7faef138'],
      [1_188_697, '0000000000170ed0918077bde7b4d36cc4c91be69fa09211f748240dabe047fb'],
    ]),
  },
}
