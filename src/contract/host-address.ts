/** Where a host says that it can be reached. */
export type HostAddress = {
  /** In the one spelling of all that mean it: lower case, no default port, no slash at the end. */
  readonly base: string
  /** Nobody else's to reach: on the host's own machine, or without TLS. */
  readonly isLocal: boolean
}

export const HOST_ADDRESS_CHARS_MAX = 256

/**
 * The schemes of BRC-101. An address is a base URL and nothing more: clients put `/submit` and `/lookup` behind it.
 * There is no underscore in it, so that nothing can be moved between an advert's domain and the name behind it under
 * the same signature: what is moved begins with `tm_` or `ls_`.
 */
export function readHostAddress(domain: string): HostAddress | undefined {
  if (domain.length > HOST_ADDRESS_CHARS_MAX || !/^[!-^`-~]+$/.test(domain)) return undefined
  if (domain.startsWith(overRadio))
    return isRadioAddress(domain) ? { base: domain, isLocal: false } : undefined
  const [, scheme = '', authority = ''] = /^([a-z+-]+):\/\/([^/?#@\\]+)\/?$/.exec(domain) ?? []
  if (!secureSchemes.has(scheme) && !plainSchemes.has(scheme)) return undefined
  const isPlain = plainSchemes.has(scheme)
  const url = parsed(`${isPlain ? 'http' : 'https'}://${authority}`)
  if (url === undefined) return undefined
  return { base: `${scheme}://${url.host}`, isLocal: isPlain || isLoopback(url.hostname) }
}

/** A URL whose bytes can be fetched, of a host that others can reach unless it says otherwise. */
export function readContentUrl(
  text: string,
): { readonly origin: string; readonly isLocal: boolean } | undefined {
  const url = /^https?:\/\/[^/]/.test(text) ? parsed(text) : undefined
  if (url === undefined || url.username !== '' || url.password !== '') return undefined
  return { origin: url.origin, isLocal: url.protocol === 'http:' || isLoopback(url.hostname) }
}

const secureSchemes: ReadonlySet<string> = new Set([
  'https',
  'https+bsvauth',
  'https+bsvauth+smf',
  'https+bsvauth+scrypt-offchain',
  'https+rtt',
  'wss',
])
const plainSchemes: ReadonlySet<string> = new Set(['http', 'ws'])
const overRadio = 'js8c+bsvauth+smf:'

function parsed(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

/** Names and numbers of one's own machine, as the URL parser spells them. */
function isLoopback(hostname: string): boolean {
  const name = hostname.replace(/\.$/, '')
  return (
    /(?:^|\.)localhost$/.test(name) ||
    /^(?:127|0)\.\d+\.\d+\.\d+$/.test(name) ||
    /^\[::(?:1|ffff:7f[0-9a-f]{2}:[0-9a-f]+|ffff:0:[0-9a-f]+)?\]$/.test(name)
  )
}

/** A place, how far it is heard from there, and on what frequency. */
function isRadioAddress(address: string): boolean {
  const [, query] = address.split('?', 2)
  const said = new URLSearchParams(query)
  const within = (name: string, max: number) =>
    /^-?\d+(?:\.\d+)?$/.test(said.get(name) ?? '') && Math.abs(Number(said.get(name))) <= max
  const positive = (name: string) => {
    const [, number] = /^(\d+(?:\.\d+)?)(?:[A-Za-z][A-Za-z0-9/-]*)?$/.exec(said.get(name) ?? '') ?? []
    return Number(number) > 0
  }
  return within('lat', 90) && within('long', 180) && positive('freq') && positive('radius')
}
