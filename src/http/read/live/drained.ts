import type { Writable } from 'node:stream'

/** Resolves once all that waits to be written has been, or the connection is gone. Only for more than its high water mark. */
export function drained(to: Writable): Promise<void> {
  if (to.writableLength === 0 || to.destroyed) return Promise.resolve()
  return new Promise(resolve => {
    const done = () => {
      to.off('drain', done)
      to.off('close', done)
      resolve()
    }
    to.on('drain', done)
    to.on('close', done)
  })
}
