/** Where a host says that it can be reached. */
export type HostAddress = {
  /** In the one spelling of all that mean it: lower case, no default port, no dot or slash at the end. */
  readonly base: string
  /** Nobody else's to reach: on the host's own machine or network, or without TLS. What names stand for is not asked. */
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
  // `example.` is `example`: a ban on the one is meant for both.
  const host = url.host.replace(/\.+(?=:\d+$|$)/, '')
  if (host === '' || host.startsWith(':')) return undefined
  return { base: `${scheme}://${host}`, isLocal: isPlain || isInside(url.hostname) }
}

/** The host of a URL that content is fetched from. */
export function readContentUrl(text: string): UrlHost | undefined {
  return /^https?:\/\/[^/]/.test(text) ? hostIn(text) : undefined
}

/** The host of a URL that an agent is reached at: over HTTP or a WebSocket. */
export function readEndpoint(text: string): UrlHost | undefined {
  return /^(?:https?|wss?):\/\/[^/]/.test(text) ? hostIn(text) : undefined
}

export type UrlHost = { readonly origin: string; readonly isLocal: boolean }

/** A user or a password in a URL that everybody reads is either a mistake or a trap. */
function hostIn(text: string): UrlHost | undefined {
  const url = parsed(text)
  if (url === undefined || url.username !== '' || url.password !== '') return undefined
  const isPlain = url.protocol === 'http:' || url.protocol === 'ws:'
  return { origin: url.origin, isLocal: isPlain || isInside(url.hostname) }
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

/** Names and numbers of one's own machine or network, as the URL parser spells them. */
function isInside(hostname: string): boolean {
  if (/(?:^|\.)localhost\.?$/.test(hostname)) return true
  const [, high, low] = /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/.exec(hostname) ?? []
  if (high !== undefined && low !== undefined) return isInside(mappedAddress(high, low))
  if (hostname.startsWith('[')) return insideVersion6.test(hostname)
  return /^\d+\.\d+\.\d+\.\d+$/.test(hostname) && insideVersion4.test(hostname)
}

/** This machine, private networks, carriers' networks, and what a machine gives itself. */
const insideVersion4 =
  /^(?:0|10|127|169\.254|192\.168|172\.(?:1[6-9]|2\d|3[01])|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./
const insideVersion6 = /^\[(?:::1?\]|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:)/

/** An address of version 4 in the clothes of version 6. */
function mappedAddress(high: string, low: string): string {
  const bits = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return bits.flatMap(word => [word >> 8, word & 0xff]).join('.')
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
