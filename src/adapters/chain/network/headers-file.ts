import { readFile, stat } from 'node:fs/promises'
import { type HeadersFile, parseHeadersFile } from '../../../contract/headers.ts'
import { orThrow } from '../../../core/fault.ts'
import { HEADER_BYTES, headerHash } from '../block.ts'
import type { PublicNetwork } from './anchor.ts'
import type { HeaderSource } from './header-source.ts'

/** The file that `assay verify --headers` reads too. Somebody else replaces it; it is read again when it changes. */
export function openHeadersFile(path: string, network: PublicNetwork): HeaderSource {
  const name = `the headers file ${path}`
  let read: { readonly stamp: string; readonly file: HeadersFile } | undefined

  async function current(): Promise<HeadersFile> {
    const { mtimeMs, size, ino } = await stat(path)
    const stamp = `${mtimeMs} ${size} ${ino}`
    if (read?.stamp !== stamp) read = { stamp, file: await readAgain() }
    return read.file
  }
  async function readAgain(): Promise<HeadersFile> {
    const file = orThrow(parseHeadersFile(await readFile(path, 'utf8')))
    if (file.network !== network)
      throw new Error(`${name} is of network ${file.network}, and this node is on ${network}`)
    if (file.headers.length % HEADER_BYTES !== 0)
      throw new Error(`${name} does not hold a whole number of ${HEADER_BYTES}-byte headers`)
    return file
  }

  return {
    name,
    async tip() {
      const { firstHeight, headers } = await current()
      return {
        height: firstHeight + headers.length / HEADER_BYTES - 1,
        hash: headerHash(headers.subarray(-HEADER_BYTES)),
      }
    },
    async headers(from, count) {
      const { firstHeight, headers } = await current()
      const begin = Math.max(0, from - firstHeight)
      const end = Math.min(headers.length / HEADER_BYTES, Math.max(0, from + count - firstHeight))
      return Array.from({ length: Math.max(0, end - begin) }, (_, i) =>
        headers.subarray((begin + i) * HEADER_BYTES, (begin + i + 1) * HEADER_BYTES),
      )
    },
  }
}
