import type { IncomingHttpHeaders } from 'node:http'
import { type RequestHandler, type Response, Router } from 'express'
import type { Portal, PortalFile } from './read-portal.ts'

/** Where a wallet of the reader's own listens, on the reader's own machine (BRC-100). */
const WALLETS = ['https://localhost:2121', 'http://localhost:3321', 'http://localhost:3301']

/** Nothing but what this node serves; what was sent by strangers can neither run nor call anybody. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  `connect-src 'self' ${WALLETS.join(' ')}`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

const FOREVER = 'public, max-age=31536000, immutable'

/** The pages that people look at a node with, under `/portal/`; a browser that asks for `/` is sent there. */
export function portalRoutes(portal: Portal): Router {
  const routes = Router({ caseSensitive: true, strict: true })
  const toPortal: RequestHandler = (_, response) => {
    response.set('Cache-Control', 'no-cache').redirect(302, '/portal/')
  }
  // Only who names HTML is a person with a browser: what takes anything is a program.
  routes.get('/', (request, response, next) => {
    if (/\btext\/html\b/.test(request.headers.accept ?? '')) toPortal(request, response, next)
    else next()
  })
  routes.get('/portal', toPortal)
  routes.get('/portal/{*file}', (request, response, next) => {
    const { file = [] } = request.params as { readonly file?: readonly string[] }
    const found = portal.get(file.join('/') || 'index.html')
    if (found === undefined) return next()
    response.set('Content-Security-Policy', CONTENT_SECURITY_POLICY)
    response.set('X-Content-Type-Options', 'nosniff')
    response.set('Referrer-Policy', 'no-referrer')
    response.set('Cross-Origin-Opener-Policy', 'same-origin')
    send(found, request.headers, response)
  })
  return routes
}

function send(file: PortalFile, asked: IncomingHttpHeaders, response: Response): void {
  const takesGzip = /\bgzip\b/.test(String(asked['accept-encoding'] ?? ''))
  const gzipped = takesGzip ? file.gzipped : undefined
  // Two spellings of one content are two representations.
  const etag = `"${file.etag}${gzipped === undefined ? '' : '-gzip'}"`
  response.set('ETag', etag)
  response.set('Cache-Control', file.isNamedByContent ? FOREVER : 'no-cache')
  response.vary('Accept-Encoding')
  if (asked['if-none-match']?.split(/\s*,\s*/).includes(etag)) return void response.status(304).end()
  response.set('Content-Type', file.type)
  if (gzipped !== undefined) response.set('Content-Encoding', 'gzip')
  response.end(gzipped ?? file.body)
}
