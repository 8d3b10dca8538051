import { readHeadersFile, type Trust } from '../../src/contract/verify.ts'

/** What the reader trusts, as it was typed or pasted. */
export type TrustWritten = {
  readonly logs: string
  readonly operators: string
  /** A headers file's text. */
  readonly headers: string | undefined
  readonly allowLocal: boolean
}

export type TrustRead = { readonly trust: Trust } | { readonly wrong: string }

export function readTrust({ logs, operators, headers, allowLocal }: TrustWritten): TrustRead {
  const [logKeys, operatorKeys] = [keysIn(logs), keysIn(operators)]
  const bad = [...(logKeys ?? []), ...(operatorKeys ?? [])].find(key => !/^0[23][0-9a-f]{64}$/.test(key))
  if (bad !== undefined)
    return { wrong: `“${bad.slice(0, 70)}” is no identity key: 66 hex digits that begin with 02 or 03.` }
  const chain = headers === undefined ? undefined : readHeadersFile(headers)
  if (chain?.ok === false) return { wrong: `The headers cannot be used: ${chain.fault.detail}` }
  return {
    trust: {
      ...(logKeys && { logs: logKeys }),
      ...(operatorKeys && { operators: operatorKeys }),
      ...(chain && { headers: chain.value }),
      allowLocal,
    },
  }
}

/** One key a line; the rest of a line after # is a remark. Undefined where there is none: no list was given. */
function keysIn(text: string): ReadonlySet<string> | undefined {
  const keys = text.split('\n').map(line => line.replace(/#.*/, '').trim().toLowerCase())
  const given = keys.filter(key => key !== '')
  return given.length === 0 ? undefined : new Set(given)
}
