import { readFileSync } from 'node:fs'
import * as z from 'zod'
import { type PrivateKeyText, readPrivateKey } from '../contract/private-key.ts'
import { type Json, parseJson } from '../core/canonical-json.ts'
import type { Outcome } from '../core/fault.ts'
import { readFusion } from '../core/fusion/read-fusion.ts'
import { publishModes } from '../core/log/publish-mode.ts'
import { networks } from '../core/network.ts'
import { readSourcePolicy } from '../core/policy/read-source-policy.ts'
import { readGivenSources } from '../core/registry/given-sources.ts'
import { againstNetwork } from './network-settings.ts'

/** What a number holds exactly. */
const MAX_BYTES = 999_999_999_999_999

/**
 * Every setting, read from the environment once. The name is the variable; docs/settings.md lists the same, and a
 * test holds the two together. A secret may also stand in a file, named by the variable with _FILE behind it.
 */
const settings = {
  PORT: setting(wholeNumber(0, 65_535), '8080', 'port of the HTTP server; 0 takes a free one'),
  ASSAY_HOST: setting(z.string().min(1), '127.0.0.1', 'address to listen on; 0.0.0.0 for every one'),
  ASSAY_NETWORK: setting(
    z.enum(networks, `none of ${networks.join(', ')}`),
    'local',
    'chain to work on: local, testnet or mainnet; local is a private one, without economic finality',
  ),
  ASSAY_DATA_DIR: setting(
    z.string().min(1),
    '.assay',
    'folder of the embedded database, of stored content and of the master key',
  ),
  ASSAY_MASTER_KEY: secret(
    z.string().regex(/^[0-9a-f]{64}$/, 'not 64 lower-case hex digits'),
    'what the keys in the database are sealed with; without it the file master.key in the data folder, made at the first start',
  ),
  ASSAY_PUBLIC_URL: optional(
    z.url({ protocol: /^https?$/ }),
    'where others reach this node; without it, the local network is told the address that it listens on, and public ones are told nothing',
  ),
  ASSAY_NODE_NAME: setting(z.string().min(1).max(64), 'assay', 'name in health reports'),
  DATABASE_URL: secret(
    z.string().regex(/^postgres(ql)?:\/\//, 'not a URL like postgresql://user:password@host:5432/name'),
    'PostgreSQL server to use, version 14 or newer; without it the embedded one is started',
  ),
  DATABASE_CONNECTIONS_MAX: setting(wholeNumber(2, 1000), '16', 'connections to the database per process'),
  LOCAL_CHAIN_URL: optional(
    z.url({ protocol: /^https?$/ }),
    'node whose local chain this one follows; without it the chain lives in this node’s own database',
  ),
  LOCAL_BLOCK_MS: setting(wholeNumber(10, 3_600_000), '1000', 'pause between blocks of the local chain'),
  LOCAL_CHAIN_CONTROL: setting(
    yesOrNo(),
    'false',
    'whether the local chain can be reorganised over HTTP; for tests',
  ),
  ASSAY_PEERS: setting(
    list(z.url({ protocol: /^https?$/ })),
    '',
    'overlay hosts that are told of everything new, separated by commas',
  ),
  ASSAY_PEERS_PER_TOPIC_MAX: setting(
    wholeNumber(0, 1000),
    '32',
    'hosts that are told of a topic because they advertise it',
  ),
  ASSAY_PEERS_UNPROVEN: setting(
    yesOrNo(),
    'true',
    'whether hosts that advertise themselves are peers also where they cannot prove a key (BRC-103); one that proves another key than its advert’s never is',
  ),
  ASSAY_SYNC_MS: setting(
    wholeNumber(100, 86_400_000),
    '60000',
    'pause between two looks at what a peer has that this node has missed',
  ),
  UHRP_DIR: optional(
    z.string().min(1),
    'folder of stored content, shared by all nodes of one database; uhrp in ASSAY_DATA_DIR without it',
  ),
  UHRP_UPLOADERS: setting(
    list(z.string().regex(/^(?:any|0[23][0-9a-f]{64})$/, 'neither any nor an identity key of 66 hex digits')),
    '',
    'identity keys that may store content, separated by commas; or any, for everybody who has one',
  ),
  UHRP_QUOTA_BYTES: setting(wholeNumber(0, MAX_BYTES), '1073741824', 'what one identity may keep stored'),
  UHRP_OBJECT_BYTES_MAX: setting(wholeNumber(1, MAX_BYTES), '1073741824', 'what one stored object may have'),
  UHRP_FREE_BYTES_MIN: setting(
    wholeNumber(0, MAX_BYTES),
    '268435456',
    'what stays free of the disk; content that would leave less is refused',
  ),
  ARC_URL: optional(
    z.url({ protocol: /^https?$/ }),
    'transaction processor of the public network, without the /v1; needed there',
  ),
  ARC_API_KEY: secret(z.string().min(1), 'what it wants to see as a bearer token'),
  ARC_CALLBACK_URL: optional(
    z.url({ protocol: /^https?$/ }),
    'where ARC reaches this node’s /arc-ingest; without it, proofs are asked for with each block',
  ),
  ARC_CALLBACK_TOKEN: secret(
    z.string().min(16),
    'bearer token that what is posted to /arc-ingest must carry',
  ),
  HEADERS_URL: optional(
    z.url({ protocol: /^https?$/ }),
    'Block Headers Service of the public network, without the /api/v1; needed there, or HEADERS_FILE',
  ),
  HEADERS_TOKEN: secret(z.string().min(1), 'what that service wants to see as a bearer token'),
  HEADERS_FILE: optional(
    z.string().min(1),
    'file of headers from the first one on, read again whenever it changes; instead of HEADERS_URL',
  ),
  WALLET_KEY: secret(
    walletKey(),
    'private key that pays on the public network, as 64 hex digits or WIF; needed there',
  ),
  FUEL_HORIZON_S: optional(
    wholeNumber(0, 604_800),
    'how long the pool of coins for transactions lasts without a block; without it 7200, and 120 on the local chain, where blocks come every second; 0 keeps no pool',
  ),
  FUEL_ROUNDS_PER_SECOND: setting(
    wholeNumber(1, 1000),
    '1',
    'rounds a second that the pool is planned for, four transactions each',
  ),
  FUEL_FANOUT: setting(
    wholeNumber(4, 250),
    '24',
    'coins of one parent; a larger parent makes every BEEF longer',
  ),
  FUEL_COIN_SATOSHIS: setting(wholeNumber(100, 10_000_000), '1000', 'what each coin of the pool holds'),
  FUEL_SATS_PER_KB: setting(wholeNumber(1, 100_000), '100', 'fee of transactions, per 1000 bytes'),
  FUEL_LOW_S: optional(
    wholeNumber(0, 604_800),
    'under so many seconds of fuel, health is degraded; without it a quarter of the horizon',
  ),
  MAX_SATS_PER_DAY: optional(
    wholeNumber(1, 100_000_000_000_000),
    'what may be spent in a day (UTC), in satoshis; without it there is no such bound',
  ),
  EVENT_BATCH_PROCESSING_ENABLED: setting(
    yesOrNo(),
    'true',
    'whether requests that come at the same time share a transaction; false costs throughput and helps nobody but a debugger',
  ),
  BATCH_MODE: setting(
    yesOrNo(),
    'false',
    'whether a transaction waits a few milliseconds for EVENT_BATCH_SIZE events to share it; throughput for latency',
  ),
  EVENT_BATCH_SIZE: setting(
    wholeNumber(1, 16_384),
    '100',
    'events that a transaction waits for in BATCH_MODE',
  ),
  BATCH_SIZE: optional(wholeNumber(1, 16_384), 'another name of EVENT_BATCH_SIZE, which it goes before'),
  DEDUP_HORIZON_DAYS: setting(
    wholeNumber(1, 36_500),
    '30',
    'so long after its first arrival an event’s own id is remembered, to tell repetitions and revisions',
  ),
  ASSAY_CLOCK_OFFSET_MS: setting(
    z
      .string()
      .regex(/^-?\d{1,13}$/, 'not a whole number')
      .transform(Number),
    '0',
    'what is added to the clock that events are received and sealed by; for tests',
  ),
  EVENT_INGESTION_ENABLED: setting(
    yesOrNo(),
    'true',
    'whether events are taken over HTTP; false answers 503',
  ),
  EVENT_SIGNATURE_TTL_SECONDS: setting(
    wholeNumber(1, 86_400),
    '300',
    'so far the nonce of a request signed with X-Signature may be from this clock, and so long it is remembered',
  ),
  EVENT_IDENTITY_VERIFICATION_REQUIRED: setting(
    yesOrNo(),
    'false',
    'whether only sources are let in that prove a registered identity key',
  ),
  INGEST_ALLOWLIST_CIDRS: setting(
    cidrs(),
    '[]',
    'networks that events are taken from, as a JSON array like ["10.0.0.0/8"] or separated by commas; none for any',
  ),
  TRUSTED_PROXY_CIDRS: setting(
    cidrs(),
    '[]',
    'networks of proxies whose X-Forwarded-For is believed, in the same form; none, and the header is ignored',
  ),
  INGEST_BODY_BYTES_MAX: setting(
    wholeNumber(1024, 64 * 1024 * 1024),
    '16777216',
    'what a body of events may have that is read whole, also once it is unpacked; NDJSON and CSV that nobody signs may be of any length',
  ),
  ADMIN_TOKEN: secret(
    z.string().min(16),
    'bearer token that lets in to /admin; without it nobody is let in by one',
  ),
  ADMIN_IDENTITY_KEYS: setting(
    list(z.string().regex(/^0[23][0-9a-f]{64}$/, 'not compressed public keys in lower-case hex')),
    '',
    'identities that /admin lets in where they prove it (BRC-104), separated by commas',
  ),
  INGEST_SOURCES_JSON: secret(
    inJson(readGivenSources),
    'sources to register at the start, as [{"id":"feed1","secret":"…","type":"webhook"}] with any other member of a source; what was given before and is given again changes nothing',
  ),
  NORMALIZE_POLICY_JSON: optional(
    inJson(text => readPolicyText(text, readSourcePolicy)),
    'policy of sources without one of their own, in streams without a policy of their own, as {"required":["id","ts"],"coerce":{"ts":"iso8601->epoch"}}',
  ),
  FUSION_POLICY_JSON: optional(
    inJson(text => readPolicyText(text, readFusion)),
    'fusion of streams without a policy of their own, as {"strategy":"quorum","min":2,"priority":["sourceA","sourceB"]}',
  ),
  EVENT_BUFFER_MS: setting(
    wholeNumber(10, 60_000),
    '750',
    'how long events wait for others before they become a packet; an event that comes alone waits less, and all of them longer under load',
  ),
  PUBLISH_MODE: setting(
    z.enum(publishModes, `neither ${publishModes.join(' nor ')}`),
    'live',
    'live: packets end within moments; batch: when they are large, or PACKET_BATCH_MS is over; a node that falls behind makes batches by itself until it has caught up',
  ),
  PACKET_BATCH_MS: setting(wholeNumber(100, 3_600_000), '10000', 'how long events wait in batch mode'),
  EVENT_LINES_KEEP_S: optional(
    wholeNumber(3_600, 1_000_000_000),
    'how long the log keeps events beside the packets that hold them; without it for ever; counts, headers and digests stay in any case',
  ),
  INGEST_FREE_BYTES_MIN: setting(
    wholeNumber(0, MAX_BYTES),
    '536870912',
    'what stays free of the disks of the embedded database and of stored content; below it, events are answered with 503',
  ),
  INGEST_BACKLOG_EVENTS_MAX: setting(
    wholeNumber(1, 1_000_000_000),
    '1000000',
    'how many events may wait to be packed; beyond it, events are answered with 503',
  ),
  CONSERVATION_CHECK_MS: setting(
    wholeNumber(100, 86_400_000),
    '10000',
    'pause between two looks whether every item that came in is counted in one place',
  ),
  LOG_PAYLOADS: setting(
    yesOrNo(),
    'false',
    'whether what publishers send is logged, to find a mistake; with LOG_LEVEL=debug only',
  ),
  LOG_LEVEL: setting(
    z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    'info',
    'how much is logged',
  ),
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
  complaints.push(...againstNetwork(read, name => isSet(name, env)))
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

type Entry = { schema: z.ZodType; fallback: string | undefined; about: string; isSecret: boolean }

function setting<S extends z.ZodType>(schema: S, fallback: string, about: string) {
  return { schema, fallback, about, isSecret: false }
}

function optional<S extends z.ZodType>(schema: S, about: string) {
  return { schema: schema.optional(), fallback: undefined, about, isSecret: false }
}

function secret<S extends z.ZodType>(schema: S, about: string) {
  return { schema: schema.optional(), fallback: undefined, about, isSecret: true }
}

function walletKey(): z.ZodType<PrivateKeyText, string> {
  return z.string().transform((text, context) => {
    const key = readPrivateKey(text)
    if (key !== undefined) return key
    context.addIssue('not a private key as 64 hex digits or WIF')
    return z.NEVER
  })
}

/** What a reader of ours makes of a text of JSON. */
function inJson<T>(reader: (text: string) => Outcome<T>): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    const read = reader(text)
    if (read.ok) return read.value
    const { detail, pointer = '' } = read.fault
    context.addIssue(pointer === '' ? detail : `${pointer}: ${detail}`)
    return z.NEVER
  })
}

function readPolicyText<T>(text: string, reader: (json: Json) => Outcome<T>): Outcome<T> {
  const json = parseJson(text)
  return json.ok ? reader(json.value) : json
}

function wholeNumber(min: number, max: number) {
  return z
    .string()
    .regex(/^\d{1,15}$/, `not a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine(value => value >= min && value <= max, `not a whole number from ${min} to ${max}`)
}

function yesOrNo() {
  return z.enum(['true', 'false'], 'neither true nor false').transform(text => text === 'true')
}

function list<S extends z.ZodType<string, string>>(each: S) {
  return z
    .string()
    .transform(text =>
      text
        .split(',')
        .map(part => part.trim())
        .filter(part => part !== ''),
    )
    .pipe(z.array(each))
}

/** As a JSON array, or separated by commas. */
function cidrs() {
  const cidr = z.union(
    [z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()],
    'holds what is no network like 10.0.0.0/8',
  )
  return z
    .string()
    .transform((text, context): unknown => {
      if (!text.trim().startsWith('['))
        return text.split(',').flatMap(part => (part.trim() === '' ? [] : [part.trim()]))
      try {
        return JSON.parse(text)
      } catch {
        // What is wrong with it, the issue says.
        context.addIssue('neither a JSON array of networks nor networks separated by commas')
        return z.NEVER
      }
    })
    .pipe(z.array(cidr))
}
