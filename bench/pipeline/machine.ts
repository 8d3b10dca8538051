import { readFileSync } from 'node:fs'
import os from 'node:os'
import { signer } from '#curve'
import { isVirtual } from './proc.ts'

const MEGABYTE = 1_000_000

/** What a reader of the figures has to know of the machine, and of what ran on it. */
export function machineOf(server: Readonly<Record<string, string>>): Record<string, string> {
  const cpus = os.cpus()
  const virtual = isVirtual()
  const { server_version: postgres = 'unknown', ...settings } = server
  return {
    processor: cpus[0]?.model ?? 'unknown',
    cores: String(cpus.length),
    'virtual machine': virtual === null ? 'not known' : virtual ? 'yes' : 'no',
    memory: `${Math.round(os.totalmem() / MEGABYTE)} MB`,
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    'load average before': os
      .loadavg()
      .map(load => load.toFixed(2))
      .join(' '),
    Assay: versionOf(),
    Node: process.versions.node,
    PostgreSQL: `${postgres}; ${Object.entries(settings)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')}`,
    signer,
  }
}

function versionOf(): string {
  // Of the sources, or of a build, which lies one folder deeper.
  for (const up of ['../../package.json', '../../../package.json'])
    try {
      return JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')).version
    } catch {
      // Not there: in the other place, then.
    }
  return 'unknown'
}
