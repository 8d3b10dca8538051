import { execFile } from 'node:child_process'
import { access, constants, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'
import { type Binaries, findBinaries } from '../adapters/postgres/embedded/binaries.ts'
import { signer } from '../contract/curve.node.ts'
import { errorCode } from '../runtime/error-code.ts'
import { freeBytes, nearestFolder } from '../runtime/free-bytes.ts'
import type { Settings } from '../runtime/settings.ts'
import { type Finding, looked, ok, type Seen, wrong } from './finding.ts'
import { growingFolders } from './node-pressure.ts'

/** What has to be there before anything can start: programs, folders, room on the disks. Changes nothing. */
export async function* checkGround(settings: Settings): AsyncGenerator<Finding> {
  yield await looked('installation', () => installation(settings))
  yield await looked('signatures', signatures)
  yield await looked('data folder', () => dataFolder(settings))
  for (const folder of growingFolders(settings))
    yield await looked(`disk of ${folder}`, () => disk(settings, folder))
}

const PROGRAM_MS_MAX = 30_000

async function installation({ DATABASE_URL }: Settings): Promise<Seen> {
  const node = `Node ${process.versions.node}`
  if (DATABASE_URL !== undefined) return ok(node)
  let binaries: Binaries
  try {
    binaries = await findBinaries()
  } catch (error) {
    return wrong(
      error instanceof Error ? error.message : String(error),
      '`npm ci` brings back what is missing.',
    )
  }
  try {
    const { stdout } = await promisify(execFile)(binaries.postgres, ['--version'], {
      timeout: PROGRAM_MS_MAX,
      env: {},
    })
    return ok(`${node}, ${stdout.trim()}`)
  } catch (error) {
    return wrong(
      `PostgreSQL, which npm installed, does not run here: ${error instanceof Error ? error.message.trim() : error}`,
      'It needs glibc 2.27 or newer. Set DATABASE_URL to a PostgreSQL of your own, version 14 or newer.',
    )
  }
}

async function signatures(): Promise<Seen> {
  return signer === 'native'
    ? ok('by libsecp256k1')
    : wrong(
        'libsecp256k1 does not load on this machine: signatures cost about thirty times as much',
        'Run `npm rebuild secp256k1`; where there is nothing built for this machine, it takes a C++ compiler and Python. All works without.',
      )
}

async function dataFolder({ ASSAY_DATA_DIR }: Settings): Promise<Seen> {
  const folder = path.resolve(ASSAY_DATA_DIR)
  try {
    const nearest = await nearestFolder(folder)
    if (!(await stat(nearest)).isDirectory())
      return wrong(`${nearest} is not a folder`, 'Move it away, or set ASSAY_DATA_DIR to a folder.')
    await access(nearest, constants.R_OK | constants.W_OK | constants.X_OK)
    return ok(nearest === folder ? folder : `${folder}, which the first start makes`)
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOTDIR')
      return wrong(
        `part of ${folder} is a file, where a folder should be`,
        'Move it away, or set ASSAY_DATA_DIR to a folder.',
      )
    return wrong(
      `${folder} cannot be written to (${code})`,
      'Start as the user it belongs to, or set ASSAY_DATA_DIR to another folder.',
    )
  }
}

async function disk({ INGEST_FREE_BYTES_MIN: freeMin }: Settings, folder: string): Promise<Seen> {
  const free = await freeBytes(folder)
  const seen = `${mebibytes(free)} MiB are free`
  return free >= freeMin
    ? ok(seen)
    : wrong(
        `${seen}, under the ${mebibytes(freeMin)} MiB of INGEST_FREE_BYTES_MIN: nodes refuse events`,
        'Make room, or move the folder to a larger disk.',
      )
}

function mebibytes(bytes: number): number {
  return Math.floor(bytes / (1024 * 1024))
}

/** Whether a node could listen where the settings say; a node that does so already is in the way too. */
export async function checkPort({ ASSAY_HOST, PORT }: Settings): Promise<Finding> {
  return looked('port', async () => {
    const code = await refusal(ASSAY_HOST, PORT)
    const where = `${ASSAY_HOST}, port ${PORT}`
    if (code === undefined) return ok(`nothing else listens at ${where}`)
    return wrong(`${where} cannot be listened at (${code})`, moves[code] ?? 'Set PORT to another number.')
  })
}

const moves: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Another program listens there; stop it, or set PORT (`assay up --port`) to another number.',
  EACCES: 'This user may not listen there; set PORT to a number above 1023.',
  EADDRNOTAVAIL: 'That is no address of this machine; set ASSAY_HOST to one that is, or to 0.0.0.0 for all.',
}

function refusal(host: string, port: number): Promise<string | undefined> {
  return new Promise(resolve => {
    const probe = createServer()
    probe.once('error', error => resolve(errorCode(error) ?? error.message))
    probe.listen(port, host, () => probe.close(() => resolve(undefined)))
  })
}
