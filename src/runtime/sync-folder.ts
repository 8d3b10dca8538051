import { open } from 'node:fs/promises'

/** Resolves once the names in this folder are on disk: a file that is there whole is lost with its name. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders; it keeps names by itself.
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
