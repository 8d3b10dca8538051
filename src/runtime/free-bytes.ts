import { stat, statfs } from 'node:fs/promises'
import path from 'node:path'
import { errorCode } from './error-code.ts'

/** What is free on the disk of a folder, also of one that is still to be made. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(await nearestFolder(folder))
  return bavail * bsize
}

/** Of a folder that is still to be made, the one it will be in. */
export async function nearestFolder(folder: string): Promise<string> {
  let at = path.resolve(folder)
  while (!(await isThere(at)) && at !== path.dirname(at)) at = path.dirname(at)
  return at
}

async function isThere(at: string): Promise<boolean> {
  try {
    await stat(at)
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}
