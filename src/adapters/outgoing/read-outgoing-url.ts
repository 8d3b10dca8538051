export type OutgoingUrl =
  | {
      readonly ok: true
      readonly url: URL
      /** For messages: without path and query, which may hold what is nobody else's business. */
      readonly host: string
      /** Without the brackets of an address of version 6. */
      readonly hostname: string
      readonly isPlain: boolean
    }
  | { readonly ok: false; readonly host: string; readonly why: string }

const URL_CHARACTERS_MAX = 2048

/**
 * A URL that may be called, as far as its text says. Its parser has made one spelling of all that a number, an
 * address or a name can be written in, so that nothing after it has to know of any other.
 */
export function readOutgoingUrl(text: string, { mayBePlain }: { mayBePlain: boolean }): OutgoingUrl {
  const refused = (host: string, why: string) => ({ ok: false, host, why }) as const
  if (text.length > URL_CHARACTERS_MAX)
    return refused(text.slice(0, 80), `a URL has at most ${URL_CHARACTERS_MAX} characters`)
  if (!URL.canParse(text)) return refused(JSON.stringify(text.slice(0, 80)), 'is not a URL')
  const url = new URL(text)
  const host = `${url.protocol}//${url.host}`
  const isPlain = url.protocol === 'http:'
  if (url.protocol !== 'https:' && !(isPlain && mayBePlain))
    return refused(host, 'is not called: only https is')
  if (url.username !== '' || url.password !== '')
    return refused(host, 'is not called with a user name or password in its URL')
  // 0 is no port, and below 1024 live services that were never meant to be called like this.
  const port = Number(url.port || (isPlain ? 80 : 443))
  if (port < 1024 && port !== 443 && port !== 80)
    return refused(host, `is not called: port ${port} is neither 443 nor 1024 or above`)
  return { ok: true, url, host, hostname: url.hostname.replace(/^\[|\]$/g, ''), isPlain }
}
