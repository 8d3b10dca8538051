import * as z from 'zod'
import { readRouteLimits } from '../../core/registry/route-limits.ts'
import { inJson, wholeNumber, yesOrNo } from './kinds.ts'
import { setting } from './setting.ts'

/** From whom events are taken over HTTP, and how much at once. */
export const ingestDoorSettings = {
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
  INGEST_ROUTE_LIMITS_JSON: setting(
    inJson(readRouteLimits),
    '{}',
    'what each source may send by one route, counted by all nodes together where all have the same here, beside the limits of its own and of its stream, as {"/ingest/events":{"requestsPerSecond":50},"/overlay/events/ingest":{"eventsPerSecond":1000}}',
  ),
  INGEST_BODY_BYTES_MAX: setting(
    wholeNumber(1024, 64 * 1024 * 1024),
    '16777216',
    'what a body of events may have that is read whole, also once it is unpacked; NDJSON and CSV that nobody signs may be of any length',
  ),
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
