/*
 * A certifier outside, whole: a node whose CERTIFIER_WEBHOOK_URL is its address asks it about each event that was
 * validated, and shows what it answers beside the verdict, where it counts for nothing.
 *
 * This one answers no question that its node has not signed, sees that the hash is the payload's, and names the version
 * that it would declare of it. To declare it for good, put the output that comes with it into a transaction of yours.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { verifyRequest } from 'assay/contract'
import canonicalizeModule from 'canonicalize'

// It is one function, whatever its types say.
const canonicalize = canonicalizeModule as unknown as typeof canonicalizeModule.default

type Question = { eventId: string; sourceId: string; normalized: unknown; contentHash: string }

/** As far as the node's clock and this one may be apart; so long what was asked is remembered. */
const WINDOW_SECONDS = 300
const { NODE_URL = 'http://127.0.0.1:8080', PORT = '8090' } = process.env
const nonces = new Map<string, number>()
let nodeKey: string | undefined

createServer(async (request, response) => {
  const answer = (status: number, said: object) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(said))
  try {
    // No handshakes here: the node signs with headers, then.
    if (request.method !== 'POST' || request.url !== '/certify') return answer(404, { error: 'not here' })
    const body = await buffer(request)
    const why = await againstSender(request.url, request.headers, body)
    if (why !== undefined) return answer(401, { error: why })
    const { payload } = JSON.parse(body.toString()) as { payload: Question }
    if (hashOf(payload.normalized) !== payload.contentHash)
      return answer(422, { error: 'the hash is not of this payload' })
    return answer(200, await declarationOf(payload))
  } catch (error) {
    // Anything but 2xx with a versionId is asked again, a few times.
    return answer(503, { error: String(error) })
  }
}).listen(Number(PORT), '127.0.0.1', () => console.log(`certifier: http://127.0.0.1:${PORT}/certify`))

/** Why the question is not the node's, if it is not. */
async function againstSender(
  path: string,
  headers: IncomingHttpHeaders,
  body: Uint8Array,
): Promise<string | undefined> {
  nodeKey ??= (await ask<{ nodeKey: string }>('/identity')).nodeKey
  const said = (name: string) => String(headers[name] ?? '')
  const identityKey = said('x-identity-key')
  const nonce = said('x-nonce')
  if (identityKey !== nodeKey) return 'another node asks'
  const checked = verifyRequest(
    { method: 'POST', path, nonce, body, identityKey, version: 2, signature: said('x-signature') },
    { nowMs: Date.now(), windowSeconds: WINDOW_SECONDS },
  )
  if (!checked.ok) return checked.fault.detail
  for (const [known, untilMs] of nonces) if (untilMs < Date.now()) nonces.delete(known)
  if (nonces.has(nonce)) return 'this was asked before'
  nonces.set(nonce, checked.value.untilMs)
  return undefined
}

function hashOf(json: unknown): string {
  return createHash('sha256')
    .update(canonicalize(json) ?? '')
    .digest('hex')
}

/** A version of our own that says: this is what we have seen. The node works out its id, and the output for a wallet. */
async function declarationOf({ eventId, contentHash }: Question): Promise<object> {
  const manifest = {
    datasetId: `seen-${eventId}`,
    provenance: { createdAt: new Date().toISOString(), issuer: nodeKey },
    content: { contentHash },
  }
  const { versionId, outputs } = await ask<{ versionId: string; outputs: unknown }>('/submit/dlm1', {
    manifest,
  })
  return { versionId, manifest, outputs }
}

async function ask<T>(path: string, json?: object): Promise<T> {
  const response = await fetch(NODE_URL + path, {
    ...(json !== undefined && {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
      body: JSON.stringify(json),
    }),
  })
  if (!response.ok) throw new Error(`${path} was answered with ${response.status}: ${await response.text()}`)
  return response.json() as Promise<T>
}
