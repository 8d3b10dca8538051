import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { migrations } from '../../migrations/index.ts'
import { migrate } from '../adapters/postgres/migrate.ts'
import type { ChangeDeps, Put } from '../adapters/registry/changing.ts'
import { type Json, parseJson } from '../core/canonical-json.ts'
import { type Outcome, refused } from '../core/fault.ts'
import { openNodeDatabase } from '../node/node-database.ts'
import { registryChangesOf } from '../node/node-registry.ts'
import { openLog } from '../runtime/log.ts'
import { readSettings } from '../runtime/settings.ts'
import { openStops } from '../runtime/stops.ts'
import { explain } from './explain.ts'
import { readOptions } from './read-options.ts'

/** What changes of the registry are recorded under. */
export const who = 'command line'

/** In words for people, and whole for programs. */
export type Answer = { readonly words: string; readonly json: unknown }

export type Asked = {
  readonly what: string
  readonly args: readonly string[]
  readonly tenantId?: string
  readonly overlapHours?: number
}

/** A command on sources or streams, beside the nodes of a database. Exit codes: 0 done, 1 not possible, 2 wrong usage. */
export async function onRegistry(
  name: string,
  usage: string,
  args: readonly string[],
  prepare: (asked: Asked) => ((deps: ChangeDeps) => Promise<Answer>) | undefined,
): Promise<number> {
  const read = readArgs(args)
  const work = read && prepare(read.asked)
  if (read === undefined || work === undefined) {
    console.error(usage)
    return 2
  }
  const log = openLog('warn', process.stderr)
  const stops = openStops(log)
  try {
    const settings = readSettings(process.env)
    const database = await openNodeDatabase(settings, log, stops)
    await migrate(database, migrations)
    const { words, json } = await work(await registryChangesOf(settings, database))
    console.log(read.json ? JSON.stringify(json, undefined, 2) : words)
    return 0
  } catch (error) {
    console.error(`assay ${name}: ${explain(error)}`)
    return 1
  } finally {
    await stops.run()
  }
}

/** A document that somebody has written, from a file or, as `-`, from what is piped in. */
export async function readDocument<T>(file: string, reader: (json: Json) => Outcome<T>): Promise<T> {
  const json = parseJson(file === '-' ? await text(process.stdin) : await readFile(file))
  return orSay(json.ok ? reader(json.value) : json, file)
}

/** What was done, or a sentence on why not. */
export function orSay<T>(outcome: Outcome<T>, where?: string): T {
  if (outcome.ok) return outcome.value
  const { detail, pointer = '' } = outcome.fault
  throw new Error([where, pointer, detail].filter(part => part !== undefined && part !== '').join(': '))
}

export function orMissing<T>(found: T | undefined, what: string): T {
  return found ?? orSay(refused('registration-invalid', `there is no ${what}`))
}

export function doneInWords(did: Put<unknown>['did']): string {
  return did === 'nothing' ? 'nothing to change in' : did
}

function readArgs(args: readonly string[]): { readonly asked: Asked; readonly json: boolean } | undefined {
  const called = readOptions(args, {
    tenant: { type: 'string' },
    'overlap-hours': { type: 'string' },
    json: { type: 'boolean', default: false },
  })
  if (called === undefined) return undefined
  const { values, positionals } = called
  const { tenant: tenantId, 'overlap-hours': hours } = values
  const [what, ...rest] = positionals
  if (what === undefined || (hours !== undefined && !/^\d{1,5}$/.test(hours))) return undefined
  const options = {
    ...(tenantId !== undefined && { tenantId }),
    ...(hours !== undefined && { overlapHours: Number(hours) }),
  }
  return { asked: { what, args: rest, ...options }, json: values.json }
}
