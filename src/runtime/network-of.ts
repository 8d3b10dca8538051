import { isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * Whom to count somebody at this address as, who has proven nothing else. One subscriber of a provider has as many
 * addresses of version 6 as it likes, in one network of 64 bits.
 */
export function networkOf(address: string | undefined): string {
  if (address === undefined) return 'unknown'
  const [bare = ''] = address.split('%')
  if (!isIPv6(bare)) return bare
  const plain = ipaddr.process(bare)
  return plain.kind() === 'ipv4'
    ? plain.toString()
    : plain.toNormalizedString().split(':').slice(0, 4).join(':')
}
