import type { ChangeDeps } from '../adapters/registry/changing.ts'
import { listStreams, showStream } from '../adapters/registry/list-registry.ts'
import { putStream } from '../adapters/registry/put-stream.ts'
import { readStream } from '../core/registry/read-stream.ts'
import {
  type Answer,
  type Asked,
  doneInWords,
  onRegistry,
  orMissing,
  orSay,
  readDocument,
  who,
} from './on-registry.ts'

const usage = `assay streams list [--tenant ID] [--json]      the streams, and whom they are for
assay streams show ID [--json]                 one of them, with the policy set that is in force
assay streams put FILE|- [--json]              makes a stream, or makes it what the file says

It works on the database of the nodes, and beside them; docs/sources.md has the members of a stream.`

export function streams(args: readonly string[]): Promise<number> {
  return onRegistry('streams', usage, args, prepare)
}

function prepare({ what, args: [first, ...more], tenantId }: Asked) {
  if (more.length > 0) return undefined
  if (what === 'list' && first === undefined)
    return (deps: ChangeDeps) => list(deps, tenantId === undefined ? {} : { tenantId })
  if (first === undefined) return undefined
  if (what === 'show') return (deps: ChangeDeps) => show(deps, first)
  return what === 'put' ? (deps: ChangeDeps) => put(deps, first) : undefined
}

async function list({ pool }: ChangeDeps, page: { readonly tenantId?: string }): Promise<Answer> {
  const listed = await listStreams(pool, page)
  const lines = listed.map(({ stream, policyNo }) => {
    const off = stream.published ? '' : '  (not published)'
    return `${stream.streamId}  ${stream.audience}, ${stream.level}, policy ${policyNo}${off}`
  })
  return { words: lines.join('\n') || 'there are none', json: listed }
}

async function show({ pool }: ChangeDeps, streamId: string): Promise<Answer> {
  const shown = orMissing(await showStream(pool, streamId), `stream ${streamId}`)
  return { words: JSON.stringify(shown, undefined, 2), json: shown }
}

async function put(deps: ChangeDeps, file: string): Promise<Answer> {
  const stream = await readDocument(file, json => readStream(json, deps.levelByDefault))
  const { did, value } = orSay(await putStream(deps, stream, who), file)
  const { policyDigest, policyNo } = value
  const words = `${doneInWords(did)} stream ${value.streamId}, policy ${policyNo} (${policyDigest})`
  return { words, json: { did, streamId: value.streamId, policyNo, policyDigest } }
}
