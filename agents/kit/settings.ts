import * as z from 'zod'
import {
  httpUrl,
  list,
  listeningPort,
  MAX_BYTES,
  reachableUrl,
  wholeNumber,
  yesOrNo,
} from '../../src/runtime/settings/kinds.ts'
import { type Entry, optional, setting } from '../../src/runtime/settings/setting.ts'

const identityKey = z
  .string()
  .regex(/^0[23][0-9a-f]{64}$/, 'not a compressed public key in lower-case hex, 66 digits')

/** Every setting of an agent, read from the environment once; docs/agents.md lists the same. */
const settings = {
  AGENT_PORT: setting(listeningPort(), '0', 'where it listens; 0 for any port that is free'),
  AGENT_HOST: setting(z.string().min(1), '127.0.0.1', 'the address that it listens at'),
  AGENT_PUBLIC_URL: optional(
    reachableUrl(),
    'where nodes reach it, and what it advertises; without it, where it listens',
  ),
  AGENT_NODES: setting(
    list(httpUrl()),
    'http://127.0.0.1:8080',
    'base URLs of nodes that pay for its adverts and show them, separated by commas; the first that answers is taken',
  ),
  AGENT_LOGS: setting(
    list(identityKey),
    '',
    'identity keys of the logs that it works for, separated by commas; on a local chain none stands for those of its nodes',
  ),
  AGENT_KEY_FILE: optional(z.string().min(1), 'its key, as made by `assay keys create agent`'),
  AGENT_OPERATOR_FILE: optional(
    z.string().min(1),
    'the word of whoever answers for it, as made by `assay keys operator-word`',
  ),
  AGENT_REGION: optional(z.string().min(1).max(64), 'the region that it advertises'),
  AGENT_PRICE: setting(
    wholeNumber(0, 100_000_000),
    '0',
    'satoshis per thousand events that it advertises as its price',
  ),
  AGENT_PACKETS_MAX: setting(wholeNumber(1, 64), '64', 'packets of the largest job that it takes'),
  AGENT_BYTES_MAX: setting(
    wholeNumber(1, MAX_BYTES),
    '67108864',
    'bytes of the packets of the largest job that it takes. Each of its logs has an equal share of as many for the jobs that are worked on at once, which a job that is alone in it may exceed. All that is fetched for a job may have four times as many',
  ),
  AGENT_JOB_MS_MAX: setting(
    wholeNumber(1_000, 86_400_000),
    '600000',
    'how far ahead the deadline of a job may be: until then it may take one of the places for jobs',
  ),
  AGENT_ADVERT_HOURS: setting(
    wholeNumber(1, 8_760),
    '24',
    'hours that an advert lasts; it is renewed when half of them are over',
  ),
  AGENT_JOBS_WAITING_MAX: setting(
    wholeNumber(0, 10_000),
    '64',
    'jobs that wait while it works on others, each of its logs having an equal share of them; further ones are answered with 503',
  ),
  AGENT_DRAIN_MS_MAX: setting(
    wholeNumber(0, 600_000),
    '10000',
    'when it is stopped, what it has to finish the jobs that it has taken',
  ),
  EVENT_PARALLEL_PROCESSING_ENABLED: setting(
    yesOrNo(),
    'true',
    'whether jobs are worked on beside each other; false: one after another',
  ),
  EVENT_PARALLEL_WORKERS: setting(
    wholeNumber(1, 1000),
    '5',
    'jobs that it works on at once, each of its logs having an equal share of them',
  ),
  EVENT_PROCESSING_CACHE_ENABLED: setting(
    yesOrNo(),
    'true',
    'whether it remembers its answers, for packets that come back in another round',
  ),
  EVENT_PROCESSING_CACHE_SIZE_MB: setting(
    wholeNumber(1, 1_000_000),
    '256',
    'what its memory of answers may take',
  ),
}

export type AgentSettings = {
  readonly [Name in keyof typeof settings]: z.output<(typeof settings)[Name]['schema']>
}

/** For documentation: what there is, with its default. */
export const agentSettingList: readonly AgentSettingEntry[] = Object.entries(settings).map(
  ([name, { fallback, about }]) => ({ name, fallback, about }),
)
type AgentSettingEntry = Pick<Entry, 'fallback' | 'about'> & { readonly name: string }

/** Throws over all that is wrong with them together, one complaint a line. */
export function readAgentSettings(env: Readonly<Record<string, string | undefined>>): AgentSettings {
  const complaints: string[] = []
  const entries = Object.entries(settings).map(([name, { schema, fallback, about }]) => {
    // Set to nothing counts as not set: that is what an empty line in a file of settings means.
    const text = env[name] === '' ? undefined : env[name]
    const read = schema.safeParse(text ?? fallback)
    if (!read.success) {
      const shown = text === undefined ? '' : `"${text.slice(0, 80)}": `
      complaints.push(`  ${name}: ${shown}${read.error.issues[0]?.message ?? 'cannot be read'} (${about})`)
    }
    return [name, read.data]
  })
  if (complaints.length > 0)
    throw new Error(`the settings of the agent cannot be used:\n${complaints.join('\n')}`)
  return Object.fromEntries(entries)
}
