import type { Router } from 'express'
import type { Operation } from './openapi-document.ts'
import type { HttpAnswer, Sent } from './raw-http.ts'

/** What an answer has that the document does not say, or lacks that it says. */
export function undocumented({ answers }: Operation, { status, headers, body }: HttpAnswer): string[] {
  const documented = answers.get(String(status))
  if (documented === undefined) return [`status ${status}`]
  const [type = 'none'] = String(headers['content-type']).split(';')
  const wrong = [...documented.headers].flatMap(([name, { required, fits }]) => {
    const value = headers[name]
    if (value === undefined) return required ? [`${status} without ${name}`] : []
    const read = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
    return fits(read) ? [] : [`${status} with ${name}: ${value}`]
  })
  // A 304 has no body, and of content nobody knows the type.
  if (documented.bodies.size === 0 && body.length === 0) return wrong
  const expected = documented.bodies.get(type) ?? documented.bodies.get('*/*')
  if (expected === undefined) return [...wrong, `${status} with Content-Type ${type}`]
  const read: unknown =
    isJson(type) && documented.bodies.has(type) ? JSON.parse(body.toString()) : body.toString()
  if (expected.fits(read)) return wrong
  return [
    ...wrong,
    ...(expected.fits.errors ?? []).map(
      ({ instancePath, message }) => `${status}: ${instancePath} ${message}`,
    ),
  ]
}

function isJson(type: string): boolean {
  return type === 'application/json' || type.endsWith('+json')
}

/** What the answers to all of these have that the document does not say, and the statuses in it that none of them has. */
export async function compareAnswers<Request extends Sent>(
  operation: Operation,
  requests: readonly Request[],
  send: (request: Request) => Promise<HttpAnswer>,
): Promise<{ readonly undocumented: string[]; readonly neverSeen: string[] }> {
  const seen = new Set<string>()
  const failed: string[] = []
  for (const request of requests) {
    const answer = await send({ ...request, method: operation.method })
    seen.add(String(answer.status))
    failed.push(...undocumented(operation, answer).map(each => `${each}: ${shown(request, answer)}`))
  }
  return { undocumented: failed, neverSeen: [...operation.answers.keys()].filter(each => !seen.has(each)) }
}

export function shown({ path, headers, body }: Sent, answer: HttpAnswer): string {
  const sent = body instanceof Uint8Array ? Buffer.from(body).toString('utf8', 0, 200) : '…'
  return `${path} ${JSON.stringify(headers)} ${sent} → ${answer.body.toString('utf8', 0, 300)}`
}

type Layer = {
  readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> }
  readonly handle: { readonly stack?: readonly Layer[] }
}

/** As the document spells them. */
export function routesOf({ stack }: Pick<Router, 'stack'>): string[] {
  const walk = (layers: readonly Layer[]): string[] =>
    layers.flatMap(({ route, handle }) =>
      route === undefined
        ? walk(handle.stack ?? [])
        : Object.keys(route.methods).map(
            method => `${method.toUpperCase()} ${route.path.replaceAll(/:(\w+)/g, '{$1}')}`,
          ),
    )
  return walk(stack as unknown as readonly Layer[])
}
