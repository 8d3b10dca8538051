import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { Binaries } from '../../../src/adapters/postgres/embedded/binaries.ts'
import type { RealComponent } from '../../support/real-component.ts'

/** A PostgreSQL that this machine has besides npm's: a server that is not ours. */
export const debianPostgres: RealComponent & { binaries(): Promise<Binaries> } = {
  name: 'postgresql',
  available: findFolder() !== undefined,
  howToGet: 'Debian and Ubuntu: apt-get install --no-install-recommends postgresql.',
  async binaries() {
    const folder = findFolder()
    if (folder === undefined) throw new Error(`There is no PostgreSQL here. ${debianPostgres.howToGet}`)
    const postgres = join(folder, 'postgres')
    const { stdout } = spawnSync(postgres, ['--version'], { encoding: 'utf8' })
    const major = Number(/(\d+)\.\d+/.exec(stdout)?.[1])
    return { major, postgres, initdb: join(folder, 'initdb'), pgCtl: join(folder, 'pg_ctl') }
  },
}

function findFolder(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort() : []
  const path = (process.env['PATH'] ?? '').split(':')
  const folders = [...versions.map(version => join(debian, version, 'bin')), ...path]
  const found = folders.find(
    folder => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')),
  )
  return found === undefined ? undefined : join(realpathSync(join(found, 'postgres')), '..')
}
