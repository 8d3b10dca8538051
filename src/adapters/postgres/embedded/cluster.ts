import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { errorCode } from '../../../runtime/error-code.ts'
import { type Binaries, onWindows } from './binaries.ts'
import { folderTrouble } from './folder-trouble.ts'
import { isAlive } from './postmaster.ts'
import { type RootWay, type ServerUser, serverUser } from './server-user.ts'
import { explainExit } from './start-failure.ts'

/** A database on disk, and what it takes to run it. */
export type Cluster = {
  /** Where everything of ours is: the password, the port, the logs, the database itself. */
  readonly home: string
  /** What PostgreSQL calls its data directory, as an absolute path without links. */
  readonly data: string
  readonly logs: string
  readonly password: string
  readonly binaries: Binaries
  readonly user: ServerUser
}

export type ClusterOptions = {
  readonly binaries: Binaries
  readonly rootWays?: readonly RootWay[]
  /** Without waiting for the disk: for databases that nobody will miss. */
  readonly careless?: boolean
}

/** The role that owns everything in an embedded database, and the name of that database. */
export const clusterRole = 'assay'

/**
 * Opens the database in `home`, making it where there is none. Processes that come at once need no lock: the
 * password appears by one link, the database by one rename, and who is late uses what is there.
 */
export async function openCluster(home: string, options: ClusterOptions): Promise<Cluster> {
  const { binaries, careless = false } = options
  const inside = (name: string) => path.join(home, name)
  try {
    await mkdir(home, { recursive: true, mode: 0o700 })
    await mkdir(inside('log'), { recursive: true, mode: 0o700 })
    await removeUnfinished(home)
  } catch (error) {
    throw folderTrouble(error, home)
  }
  const user = await serverUser(inside('cluster'), options.rootWays).catch(error => {
    throw errorCode(error) === undefined ? error : folderTrouble(error, home)
  })
  let password: string
  try {
    password = await keepPassword(home)
    await user.own(inside('log'))
  } catch (error) {
    throw folderTrouble(error, home)
  }
  if (!(await exists(inside('cluster')))) await makeCluster(home, binaries, user, careless)
  await refuseOtherMajor(inside('cluster'), binaries.major)
  await user.own(inside('cluster'))
  return { home, data: await realpath(inside('cluster')), logs: inside('log'), password, binaries, user }
}

/**
 * A port on this machine can be reached by every user of it, so the server asks for a password. Random, made
 * once, and readable by nobody else.
 */
async function keepPassword(home: string): Promise<string> {
  const file = path.join(home, 'password')
  if (!(await exists(file))) await putOnce(file, `${randomBytes(24).toString('hex')}\n`)
  const password = (await readFile(file, 'utf8')).trim()
  if (password === '')
    throw new Error(`${file} is empty. Restore it: without the password nobody gets into the database.`)
  return password
}

/** The content appears whole or not at all, and the first writer's stays. */
async function putOnce(file: string, content: string): Promise<void> {
  const draft = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`
  await writeFile(draft, content, { mode: 0o600, flush: true })
  try {
    await link(draft, file)
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
  } finally {
    await rm(draft, { force: true })
  }
}

async function makeCluster(
  home: string,
  binaries: Binaries,
  user: ServerUser,
  careless: boolean,
): Promise<void> {
  const draft = path.join(home, `${draftPrefix}${process.pid}-${randomBytes(4).toString('hex')}`)
  const cluster = path.join(home, 'cluster')
  await mkdir(draft, { mode: 0o700 })
  await user.own(draft)
  try {
    await initdb(home, draft, binaries, user, careless)
    await rename(draft, cluster)
    // Or a power cut takes the name away from what will have been acknowledged under it.
    if (!careless) await syncFolder(home)
  } catch (error) {
    // Another process was first; its database is as good as ours.
    if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(errorCode(error) ?? '') || !(await exists(cluster)))
      throw error
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

const draftPrefix = 'cluster.new-'

/** What a process left behind that was killed while it made a database. */
async function removeUnfinished(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    const [, pid] = /^(?:cluster\.new-|password\.|port\.)(\d+)-[0-9a-f]+$/.exec(name) ?? []
    if (pid !== undefined && !isAlive(Number(pid)))
      await rm(path.join(home, name), { recursive: true, force: true })
  }
}

async function initdb(
  home: string,
  draft: string,
  { initdb: program }: Binaries,
  user: ServerUser,
  careless: boolean,
): Promise<void> {
  // Locale C: the order of texts is the order of their bytes, the same on every machine and in every version.
  const args = ['-D', draft, '-U', clusterRole, '-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C']
  const password = `--pwfile=${path.join(home, 'password')}`
  const [command, all] = user.command(program, [...args, password, ...(careless ? ['--no-sync'] : [])])
  await new Promise<void>((resolve, reject) => {
    execFile(
      command,
      all,
      { env: serverEnvironment(), cwd: home, maxBuffer: 1e6 },
      (error, stdout, stderr) => {
        if (error === null) resolve()
        else reject(explainExit('initdb', home, stdout + stderr || error.message))
      },
    )
  })
}

/** Messages in English, whatever the shell says, since we read them; and no PG… variable of somebody's. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const { PATH, SystemRoot, TEMP, TMP } = process.env
  const windows = onWindows ? { SystemRoot, TEMP, TMP } : {}
  return { PATH, LC_ALL: 'C', TZ: 'UTC', ...windows }
}

async function refuseOtherMajor(cluster: string, major: number): Promise<void> {
  let version: string
  try {
    version = (await readFile(path.join(cluster, 'PG_VERSION'), 'utf8')).trim()
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw folderTrouble(error, cluster)
    throw new Error(
      `${cluster} is not a PostgreSQL database: it has no PG_VERSION. Move it away to begin with an empty one, or ` +
        'name another folder.',
    )
  }
  if (version === String(major)) return
  throw new Error(
    `The database in ${cluster} was made by PostgreSQL ${version}; the programs here are PostgreSQL ${major}, and no ` +
      `major version reads the files of another. Either run it with a PostgreSQL ${version} of your own and set ` +
      `DATABASE_URL to that, or move its contents over: pg_dump from version ${version}, then restore into an empty folder.`,
  )
}

async function syncFolder(folder: string): Promise<void> {
  if (onWindows) return
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    const handle = await open(file)
    await handle.close()
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}
