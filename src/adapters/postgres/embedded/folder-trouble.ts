import { errorCode } from '../../../runtime/error-code.ts'

/** What a person can do about a folder that cannot be used. */
export function folderTrouble(cause: unknown, folder: string): Error {
  const code = errorCode(cause) ?? String(cause)
  const moves: Readonly<Record<string, string>> = {
    EACCES: 'Give this user the right to write there',
    EPERM: 'Give this user the right to write there',
    EROFS: 'It is on a read-only file system; remount it',
    ENOSPC: 'The disk is full; make room (about 100 MB to begin with)',
    EDQUOT: 'The quota is used up; make room (about 100 MB to begin with)',
    ENOTDIR: 'Part of that path is a file; move it away',
    EEXIST: 'There is a file in the place of a folder; move it away',
  }
  const move = moves[code] ?? 'Look at that folder'
  return new Error(
    `The database's folder ${folder} cannot be used (${code}). ${move}, or name another folder.`,
    { cause },
  )
}
