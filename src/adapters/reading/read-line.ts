import type { FileHandle } from 'node:fs/promises'
import type { ReadLine, TextAt } from '../../serve/packet-work.ts'
import type { ContentStore } from '../uhrp/content-store.ts'
import { openInLine, readingBounds } from './in-line.ts'

export type ReadLineDeps = {
  readonly content: Pick<ContentStore, 'open'>
  readonly atOnceMax?: number
  readonly waitingMax?: number
}

const CHUNK_BYTES = 256 * 1024

/** Whoever is told the line may know of the text: the caller has asked whether its reader may. */
export function openReadLine({ content, ...bounds }: ReadLineDeps): ReadLine {
  const inLine = openInLine({ ...readingBounds, ...bounds })
  return (text, index) =>
    inLine(async () => {
      const opened = await content.open(text.sha256, 'node')
      if (opened.kind !== 'open') return undefined
      try {
        return await lineIn(opened.object.file, text, index)
      } finally {
        await opened.object.file.close()
      }
    })
}

async function lineIn(file: FileHandle, text: TextAt, index: number): Promise<string | undefined> {
  const parts: Uint8Array[] = []
  let line = 0
  for await (const chunk of chunksOf(file, text)) {
    let from = 0
    while (line < index) {
      const end = chunk.indexOf(NEWLINE, from)
      if (end === -1) break
      line += 1
      from = end + 1
    }
    if (line < index) continue
    const end = chunk.indexOf(NEWLINE, from)
    parts.push(chunk.subarray(from, end === -1 ? undefined : end))
    if (end !== -1) return Buffer.concat(parts).toString('utf8')
  }
  return undefined
}

const NEWLINE = 0x0a

/** What is not in the file any more ends it. */
async function* chunksOf(file: FileHandle, { at, length }: TextAt): AsyncGenerator<Uint8Array> {
  for (let read = 0; read < length; ) {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, length - read))
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at + read)
    if (bytesRead === 0) return
    read += bytesRead
    yield chunk.subarray(0, bytesRead)
  }
}
