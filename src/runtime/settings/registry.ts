import * as z from 'zod'
import { type Json, parseJson } from '../../core/canonical-json.ts'
import type { Outcome } from '../../core/fault.ts'
import { readFusion } from '../../core/fusion/read-fusion.ts'
import { readSourcePolicy } from '../../core/policy/read-source-policy.ts'
import { unregistrable } from '../../core/policy/unregistrable.ts'
import { readGivenSources } from '../../core/registry/given-sources.ts'
import { optional, secret } from './setting.ts'

/** Sources and policies that are given with the node. */
export const registrySettings = {
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
  return json.ok ? (unregistrable(json.value) ?? reader(json.value)) : json
}
