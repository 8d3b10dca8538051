import {
  PART_LIST_ANSWER_BYTES_MAX,
  PART_LIST_NAMES_MAX,
  readPartList,
} from '../../src/contract/part-list.ts'
import { onBehalfOf, type RoundPart, roundPartUrl } from '../../src/contract/round-locations.ts'
import type { Issuer } from '../../src/contract/tokens.ts'
import type { Call } from './call.ts'
import type { AgentJob } from './read-job.ts'
import { signatureHeaders } from './sign-call.ts'

/** What came in lists, by part and name. Nothing of it is checked yet. */
export type ListedParts = { take(part: RoundPart, name: string): Uint8Array | undefined }

export type WantedParts = { readonly part: RoundPart; readonly names: readonly string[] }

type Asked = Pick<AgentJob, 'locations' | 'facts'>
type Means = { readonly call: Call; readonly key: Issuer; now(): number }

/**
 * Asks the first location for many parts at once: a request costs both sides more than a part that is small. Whatever does
 * not come this way is fetched by itself, so nothing that goes wrong here is more than time lost.
 */
export async function fetchLists(
  job: Asked,
  wanted: readonly WantedParts[],
  means: Means,
): Promise<ListedParts> {
  const found = new Map<string, Uint8Array>()
  for (const { part, names } of wanted) {
    const unique = [...new Set(names)]
    for (let at = 0; at < unique.length; at += PART_LIST_NAMES_MAX) {
      const some = unique.slice(at, at + PART_LIST_NAMES_MAX)
      if (some.length < 2) continue
      for (const [name, bytes] of await askFor(job, part, some, means)) found.set(`${part} ${name}`, bytes)
    }
  }
  return {
    take(part, name) {
      const key = `${part} ${name}`
      const bytes = found.get(key)
      found.delete(key)
      return bytes
    },
  }
}

/** As anybody, and what is not for anybody as whoever has a seat. */
async function askFor(
  { locations: [location], facts }: Asked,
  part: RoundPart,
  names: readonly string[],
  { call, key, now }: Means,
): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>()
  const ask = async (url: string, asked: readonly string[], headers: Record<string, string>) => {
    const request = { answerBytesMax: PART_LIST_ANSWER_BYTES_MAX, headers }
    const answer = await call(url, request).catch(() => undefined)
    const parts = answer?.status === 200 ? readPartList(answer.body, asked.length) : undefined
    for (const [i, name] of asked.entries()) {
      const bytes = parts?.ok === true ? parts.value[i] : undefined
      if (bytes !== undefined) found.set(name, bytes)
    }
  }
  if (location === undefined) return found
  await ask(roundPartUrl(location, part, names.join(',')), names, {})
  const left = names.filter(name => !found.has(name))
  if (left.length < 2) return found
  const url = onBehalfOf(roundPartUrl(location, part, left.join(',')), facts.coordinator)
  await ask(url, left, signatureHeaders('GET', url, nothing, key, now()))
  return found
}

const nothing = new Uint8Array(0)
