import { readFileSync } from 'node:fs'
import type * as z from 'zod'
import { againstConsensus } from './consensus-settings.ts'
import { againstNetwork } from './network-settings.ts'
import { adminSettings } from './settings/admin.ts'
import { contentSettings } from './settings/content.ts'
import { databaseSettings } from './settings/database.ts'
import { eventLogSettings } from './settings/event-log.ts'
import { fuelSettings } from './settings/fuel.ts'
import { ingestDoorSettings } from './settings/ingest-door.ts'
import { jobsSettings } from './settings/jobs.ts'
import { lineageSettings } from './settings/lineage.ts'
import { liveSettings } from './settings/live.ts'
import { localChainSettings } from './settings/local-chain.ts'
import { loggingSettings } from './settings/logging.ts'
import { nodeSettings } from './settings/node.ts'
import { packetsSettings } from './settings/packets.ts'
import { peersSettings } from './settings/peers.ts'
import { pressureSettings } from './settings/pressure.ts'
import { publicNetworkSettings } from './settings/public-network.ts'
import { publisherSettings } from './settings/publishers.ts'
import { readingSettings } from './settings/reading.ts'
import { registrySettings } from './settings/registry.ts'
import type { Entry } from './settings/setting.ts'
import { subscriptionSettings } from './settings/subscriptions.ts'

/**
 * Every setting, read from the environment once. The name is the variable; docs/operating.md lists the same, and a
 * test holds the two together. A secret may also stand in a file, named by the variable with _FILE behind it.
 */
const settings = {
  ...nodeSettings,
  ...databaseSettings,
  ...localChainSettings,
  ...peersSettings,
  ...contentSettings,
  ...publicNetworkSettings,
  ...fuelSettings,
  ...eventLogSettings,
  ...ingestDoorSettings,
  ...adminSettings,
  ...registrySettings,
  ...publisherSettings,
  ...packetsSettings,
  ...pressureSettings,
  ...jobsSettings,
  ...lineageSettings,
  ...readingSettings,
  ...liveSettings,
  ...subscriptionSettings,
  ...loggingSettings,
}

export type Settings = {
  readonly [Name in keyof typeof settings]: z.output<(typeof settings)[Name]['schema']>
}

/** For documentation: what there is, with its default. */
export const settingList: readonly SettingEntry[] = Object.entries(settings).map(
  ([name, { fallback, about, isSecret }]) => ({
    name,
    fallback,
    about,
    isSecret,
  }),
)
export type SettingEntry = {
  readonly name: string
  readonly fallback: string | undefined
  readonly about: string
  readonly isSecret: boolean
}

/** All complaints together, one a line, each with the name and what was wanted; never with a secret's value. */
export class SettingsError extends Error {
  readonly complaints: readonly string[]

  constructor(complaints: readonly string[]) {
    super(`the settings cannot be used:\n${complaints.map(each => `  ${each}`).join('\n')}`)
    this.name = 'SettingsError'
    this.complaints = complaints
  }
}

export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const complaints: string[] = []
  const entries = Object.entries(settings).map(([name, entry]) => {
    const text = textOf(name, entry, env, complaints)
    const read = entry.schema.safeParse(text ?? entry.fallback)
    if (!read.success) {
      const shown = entry.isSecret || text === undefined ? '' : `"${text.slice(0, 80)}": `
      complaints.push(
        `${name}: ${shown}${read.error.issues[0]?.message ?? 'cannot be read'} (${entry.about})`,
      )
    }
    return [name, read.data]
  })
  const read = Object.fromEntries(entries)
  const isGiven = (name: string) => isSet(name, env)
  complaints.push(...againstNetwork(read, isGiven), ...againstConsensus(read, isGiven))
  if (complaints.length > 0) throw new SettingsError(complaints)
  return read
}

function isSet(name: string, env: Readonly<Record<string, string | undefined>>): boolean {
  return [env[name], env[`${name}_FILE`]].some(text => text !== undefined && text !== '')
}

/** Set to nothing counts as not set: that is what an empty line in a file of settings means. */
function textOf(
  name: string,
  { isSecret }: Entry,
  env: Readonly<Record<string, string | undefined>>,
  complaints: string[],
): string | undefined {
  const file = isSecret ? env[`${name}_FILE`] : undefined
  if (file === undefined || file === '') return env[name] === '' ? undefined : env[name]
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    complaints.push(`${name}_FILE: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}
