import { readFile } from 'node:fs/promises'
import { buffer as bufferOf } from 'node:stream/consumers'
import { readHeadersFile, type Trust } from '../../contract/verify.ts'
import { fromUtf8 } from '../../core/bytes.ts'
import { FaultError } from '../../core/fault.ts'

/** The lists that a reader holds, as they are named on the command line. */
export type NamedTrust = {
  readonly log?: readonly string[] | undefined
  readonly operators?: string | undefined
  readonly headers?: string | undefined
  readonly 'allow-local': boolean
}

/** Or what is wrong with what was named. */
export async function readTrust(asked: NamedTrust): Promise<Trust | string> {
  const read = await orWhy(async () => {
    const operators = asked.operators === undefined ? undefined : readKeys(await readText(asked.operators))
    const headers = asked.headers === undefined ? undefined : readHeadersFile(await readText(asked.headers))
    return { operators, headers }
  })
  if ('why' in read) return read.why
  const { operators, headers } = read
  if (typeof operators === 'string') return `${asked.operators}: ${operators}`
  if (headers?.ok === false) return `${asked.headers}: ${headers.fault.detail}`
  return {
    ...(asked.log && { logs: new Set(asked.log) }),
    ...(operators && { operators }),
    ...(headers && { headers: headers.value }),
    allowLocal: asked['allow-local'],
  }
}

/** What is wrong with a file is the caller's to mend. */
export async function orWhy<T>(read: () => Promise<T>): Promise<T | { readonly why: string }> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof FaultError) return { why: error.fault.detail }
    if (error instanceof Error && 'syscall' in error) return { why: `cannot read a file: ${error.message}` }
    throw error
  }
}

/** Bytes that are not UTF-8 are refused: what stood for them in a text would be nobody's. */
export async function readText(file: string): Promise<string> {
  const text = fromUtf8(file === '-' ? await bufferOf(process.stdin) : await readFile(file))
  if (text === undefined) throw new FaultError({ code: 'json-unreadable', detail: `${file} is not UTF-8` })
  return text
}

/** One identity key a line; the rest of a line after # is a remark. */
function readKeys(text: string): Set<string> | string {
  const keys = text
    .split('\n')
    .map(line => line.replace(/#.*/, '').trim())
    .filter(key => key !== '')
  const odd = keys.find(key => !isKey(key))
  return odd === undefined ? new Set(keys) : notKey(odd)
}

export function isKey(text: string): boolean {
  return /^0[23][0-9a-f]{64}$/.test(text)
}

export function notKey(text: string): string {
  return `"${text.slice(0, 80)}" is not an identity key: a compressed public key, 66 lower-case hex digits`
}
