import ipaddr from 'ipaddr.js'

/** What speaks against calling this address from inside, as the end of a sentence; undefined: it is anybody's. */
export function whyNotPublic(address: string): string | undefined {
  const parsed = ipaddr.parse(address)
  const range = parsed.range()
  if (range !== 'unicast') return `which is not public (${range})`
  if (infrastructure.has(parsed.toString())) return "which is a cloud's own service"
  // All that has been given out so far. Outside of it are, among others, addresses that carry one of version 4.
  if (parsed.kind() === 'ipv6' && !parsed.match(globalUnicast))
    return 'which is outside of what is given out to hosts (2000::/3)'
  return undefined
}

export function isLoopback(address: string): boolean {
  return ipaddr.process(address).range() === 'loopback'
}

const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')

/** Public by number, and answered by the machine's own host: of Azure. The others have addresses that are not public. */
const infrastructure = new Set(['168.63.129.16'])
