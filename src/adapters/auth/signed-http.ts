import { Utils } from '@bsv/sdk'

/* What BRC-104 signs of a request and of an answer. Where there is no query or no body, its length is −1. */

export type SignedHeaders = [name: string, value: string][]

export type SignedRequest = {
  readonly url: string
  readonly method: string
  readonly headers: SignedHeaders
  readonly body: Uint8Array
}

export function requestPayload(
  requestId: Uint8Array,
  { url, method, headers, body }: SignedRequest,
): number[] {
  const { pathname, search } = new URL(url)
  const writer = new Utils.Writer()
  writer.write([...requestId])
  writeText(writer, method)
  writeText(writer, pathname)
  writeOptional(writer, Utils.toArray(search, 'utf8'))
  writeHeaders(writer, headers)
  writeOptional(writer, Array.from(body))
  return writer.toArray()
}

export function answerPayload(
  requestId: Uint8Array,
  status: number,
  headers: SignedHeaders,
  body: Uint8Array,
): number[] {
  const writer = new Utils.Writer()
  writer.write([...requestId])
  writer.writeVarIntNum(status)
  writeHeaders(writer, headers)
  writeOptional(writer, Array.from(body))
  return writer.toArray()
}

/** In the order and the spelling that is signed; throws where one cannot be. */
export function headersOfRequest(
  given: Readonly<Record<string, string>>,
  body: Uint8Array | undefined,
): SignedHeaders {
  const headers = Object.entries(given).map(([name, value]): [string, string] =>
    name.toLowerCase() === 'content-type'
      ? ['content-type', (value.split(';')[0] ?? '').trim()]
      : [name.toLowerCase(), value],
  )
  const isTyped = headers.some(([name]) => name === 'content-type')
  if (body !== undefined && !isTyped) headers.push(['content-type', 'application/octet-stream'])
  const unsigned = headers.find(([name]) => name !== 'content-type' && !isSigned(name))
  if (unsigned !== undefined)
    throw new Error(
      `the header ${unsigned[0]} is not signed under BRC-104; use content-type, authorization and x-bsv-… alone`,
    )
  return inOrder(headers)
}

/** An answer's type is not signed. */
export function headersOfAnswer(given: Headers): SignedHeaders {
  return inOrder([...given].filter(([name]) => isSigned(name)))
}

function inOrder(headers: SignedHeaders): SignedHeaders {
  return headers.sort(([a], [b]) => a.localeCompare(b))
}

function isSigned(name: string): boolean {
  return name === 'authorization' || (name.startsWith('x-bsv-') && !name.startsWith('x-bsv-auth'))
}

function writeHeaders(writer: Utils.Writer, headers: SignedHeaders): void {
  writer.writeVarIntNum(headers.length)
  for (const [name, value] of headers) {
    writeText(writer, name)
    writeText(writer, value)
  }
}

function writeText(writer: Utils.Writer, text: string): void {
  const bytes = Utils.toArray(text, 'utf8')
  writer.writeVarIntNum(bytes.length)
  writer.write(bytes)
}

function writeOptional(writer: Utils.Writer, bytes: number[]): void {
  writer.writeVarIntNum(bytes.length === 0 ? -1 : bytes.length)
  writer.write(bytes)
}
