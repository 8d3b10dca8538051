import type { KeepOutput } from '../../certify/ports.ts'
import { orThrow } from '../../core/fault.ts'
import type { ContentStore } from '../uhrp/content-store.ts'
import { nodeHolder } from '../uhrp/holder.ts'
import type { ReadPart } from './read-due.ts'

/** 9999-12-31: as long as the node keeps what is certified, which nobody but its owner ends. */
export const FOREVER_MS = 253_402_214_400_000

/** Whose retention keeps carried states. */
export const statesHolder = nodeHolder('states')

/** What certificates point at, as objects of their own. Not advertised: each advert costs a transaction. */
export function keepOutputIn(content: Pick<ContentStore, 'put'>): KeepOutput {
  return async ({ sha256, bytes, what }, { audience, streamId }) => {
    const wishes = {
      ...{ audience, streams: [streamId], advertise: false },
      holder: what === 'output' ? nodeHolder('certified') : statesHolder,
      retainUntilMs: FOREVER_MS,
      contentType: 'application/x-ndjson',
      expected: { sha256, length: bytes.length },
    }
    orThrow(await content.put(bytes, wishes))
  }
}

export function readPartIn(content: Pick<ContentStore, 'open'>): ReadPart {
  return async (sha256, at, bytes) => {
    const opened = await content.open(sha256, 'node')
    if (opened.kind !== 'open') return undefined
    const { file } = opened.object
    try {
      const part = new Uint8Array(bytes)
      const { bytesRead } = await file.read(part, 0, bytes, at)
      return bytesRead === bytes ? part : undefined
    } finally {
      await file.close()
    }
  }
}
