/** What a server that ended at once says about why. */
export type StartFailure =
  /** Somebody else is starting it, or its predecessor's processes are not all gone: look again. */
  | { readonly kind: 'again' }
  | { readonly kind: 'port-taken' }
  | { readonly kind: 'refused'; readonly error: Error }

export function judgeStartFailure(home: string, said: string): StartFailure {
  if (/lock file .* (already exists|is empty)/.test(said)) return { kind: 'again' }
  if (/shared memory block .* is still in use/.test(said)) return { kind: 'again' }
  if (/could not bind .*Address already in use/.test(said)) return { kind: 'port-taken' }
  return { kind: 'refused', error: explainExit('PostgreSQL', home, said) }
}

export function explainExit(program: string, home: string, said: string): Error {
  const move = moves.find(([pattern]) => pattern.test(said))?.[1] ?? 'Its last words may say what to do'
  return new Error(`${program} ended as soon as it was started in ${home}. ${move}:\n${lastWords(said)}`)
}

const lastLinesMax = 12

const moves: readonly (readonly [RegExp, string])[] = [
  [
    /No space left on device|Disk quota exceeded|Check free disk space/,
    'The disk is full; make room and start again',
  ],
  [/Read-only file system/, 'The file system is read-only; remount it'],
  [/Permission denied|Operation not permitted/, 'It may not use its files; check who owns them'],
  [
    /ENOENT|cannot open shared object file/,
    'It cannot run on this system (it needs glibc 2.27 or newer); set DATABASE_URL',
  ],
  [/EACCES/, 'Its programs may not be executed by this user'],
  [
    /could not (create|map) (anonymous )?shared memory|Cannot allocate memory/,
    'There is not enough memory for it',
  ],
  [/unrecognized configuration parameter|invalid value for parameter/, 'One of its settings is wrong'],
]

function lastWords(said: string): string {
  const lines = said.split('\n').filter(line => line.trim() !== '')
  return lines.slice(-lastLinesMax).join('\n')
}
