import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { fromHex, toHex } from '../../core/bytes.ts'
import { errorCode } from '../../runtime/error-code.ts'
import { syncFolder } from '../../runtime/sync-folder.ts'

/**
 * The key in this file, made where there is none. Processes that come at once end with the same one: the file appears
 * whole, under its name, once.
 */
export async function keepMasterKey(file: string): Promise<Uint8Array> {
  try {
    return await readMasterKey(file)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
  const unfinished = `${file}.${toHex(randomBytes(6))}`
  try {
    await writeDurably(unfinished, `${toHex(randomBytes(32))}\n`)
    await link(unfinished, file).catch(error => {
      if (errorCode(error) !== 'EEXIST') throw error
    })
    // Whoever came second may be first to seal something with it.
    await syncFolder(path.dirname(file))
  } finally {
    await rm(unfinished, { force: true })
  }
  return readMasterKey(file)
}

async function readMasterKey(file: string): Promise<Uint8Array> {
  const key = fromHex((await readFile(file, 'utf8')).trim())
  if (key?.length !== 32)
    throw new Error(
      `${file} does not hold a master key: 64 lower-case hex digits. Restore it from a backup; without it the keys in the database cannot be opened.`,
    )
  return key
}

/** On disk before anything is sealed with it: a key that a power cut takes along cannot be made again. */
async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
