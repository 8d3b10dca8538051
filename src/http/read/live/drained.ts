import type { Writable } from 'node:stream'

/** Resolves once nothing waits to be written, or nothing can be. */
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
