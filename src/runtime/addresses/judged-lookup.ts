import { isIP, type LookupFunction } from 'node:net'
import type { ResolveHost } from './resolve-host.ts'

const ADDRESSES_MAX = 32

/** Called by the socket itself, with what it connects to: there is no other moment that counts. */
export function judgedLookup(
  resolve: ResolveHost,
  against: (address: string) => string | undefined,
): LookupFunction {
  const judged = async (hostname: string) => {
    const addresses = await resolve(hostname)
    if (addresses.length === 0) throw new Error('has no address')
    if (addresses.length > ADDRESSES_MAX)
      throw new Error(`has ${addresses.length} addresses, and ${ADDRESSES_MAX} are allowed`)
    // All of them: who names one address inside beside others outside has not done so by mistake.
    for (const address of addresses) {
      const why = isIP(address) === 0 ? 'that is none' : against(address)
      // Not which: whoever has us call a name may read this, and is not to learn what names inside stand for.
      if (why !== undefined) throw new Error(`is not called: it resolves to an address ${why}`)
    }
    return addresses.map(address => ({ address, family: isIP(address) }))
  }
  return (hostname, { all }, done) => {
    judged(hostname).then(
      found => {
        const [first] = found
        if (all === true) done(null, found)
        else if (first !== undefined) done(null, first.address, first.family)
      },
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error)), []),
    )
  }
}
