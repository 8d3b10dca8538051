import type { PrivateKeyText } from '../contract/private-key.ts'
import type { Network } from '../core/network.ts'

/**
 * What the settings lack, or have too much of, for their network. A node never works on another network than the one
 * that is named, and never on half of one.
 */
export function againstNetwork(settings: NetworkSettings, isSet: (name: string) => boolean): string[] {
  const network = settings.ASSAY_NETWORK
  // Complained about already.
  if (network === undefined) return []
  return network === 'local' ? againstLocal(isSet) : againstPublic(network, settings, isSet)
}

/** As far as each could be read. */
export type NetworkSettings = {
  readonly ASSAY_NETWORK?: Network | undefined
  readonly WALLET_KEY?: PrivateKeyText | undefined
}

const ofPublicNetworks = [
  'ARC_URL',
  'ARC_API_KEY',
  'ARC_CALLBACK_URL',
  'HEADERS_URL',
  'HEADERS_TOKEN',
  'HEADERS_FILE',
] as const
const ofLocal = ['LOCAL_CHAIN_URL', 'LOCAL_BLOCK_MS', 'LOCAL_CHAIN_CONTROL'] as const

function againstLocal(isSet: (name: string) => boolean): string[] {
  return ofPublicNetworks
    .filter(isSet)
    .map(
      name =>
        `${name}: is for testnet and mainnet, and ASSAY_NETWORK is local; set ASSAY_NETWORK, or unset ${name}`,
    )
}

function againstPublic(
  network: 'testnet' | 'mainnet',
  { WALLET_KEY: key }: NetworkSettings,
  isSet: (name: string) => boolean,
): string[] {
  const needs = (name: string, what: string) => `${name}: ASSAY_NETWORK=${network} needs it: ${what}`
  const together = (name: string, other: string) => `${name}: is set without ${other}; set both, or neither`
  const complaints: [applies: boolean, complaint: string][] = [
    [!isSet('WALLET_KEY'), needs('WALLET_KEY', 'the private key that pays for transactions')],
    [!isSet('ARC_URL'), needs('ARC_URL', 'where transactions are handed over')],
    [
      !isSet('HEADERS_URL') && !isSet('HEADERS_FILE'),
      needs('HEADERS_URL', 'where block headers come from; or HEADERS_FILE'),
    ],
    [
      isSet('HEADERS_URL') && isSet('HEADERS_FILE'),
      'HEADERS_FILE: is set beside HEADERS_URL; headers come from one of the two, so unset the other',
    ],
    [isSet('HEADERS_TOKEN') && !isSet('HEADERS_URL'), together('HEADERS_TOKEN', 'HEADERS_URL')],
    [
      isSet('ARC_CALLBACK_URL') && !isSet('ARC_CALLBACK_TOKEN'),
      together('ARC_CALLBACK_URL', 'ARC_CALLBACK_TOKEN'),
    ],
    [
      isSet('ARC_CALLBACK_TOKEN') && !isSet('ARC_CALLBACK_URL'),
      together('ARC_CALLBACK_TOKEN', 'ARC_CALLBACK_URL'),
    ],
    [
      !isSet('DATABASE_URL') && !isSet('ASSAY_DATA_DIR'),
      needs(
        'DATABASE_URL',
        'where everything is kept; or ASSAY_DATA_DIR, the folder of the embedded database',
      ),
    ],
    [
      key?.network !== undefined && key.network !== network,
      `WALLET_KEY: is a key of ${key?.network ?? ''}, and ASSAY_NETWORK is ${network}; use a key of that network`,
    ],
    ...ofLocal.map((name): [boolean, string] => [
      isSet(name),
      `${name}: is for the local chain, and ASSAY_NETWORK is ${network}; unset it`,
    ]),
  ]
  return complaints.filter(([applies]) => applies).map(([, complaint]) => complaint)
}
