import { readEndpoint } from '../../contract/host-address.ts'

/** Of an agent's endpoints those that a job can be submitted to, from here. */
export function callable(endpoints: readonly string[], allowLocal: boolean): string[] {
  return endpoints.filter(url => {
    const host = url.startsWith('http') ? readEndpoint(url) : undefined
    return host !== undefined && (allowLocal || !host.isLocal)
  })
}

/** A path of an endpoint, which may have one of its own. */
export function under(endpoint: string, path: string): string {
  const url = new URL(endpoint)
  url.search = ''
  url.hash = ''
  url.pathname = url.pathname.replace(/\/+$/, '') + path
  return url.href
}
