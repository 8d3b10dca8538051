import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nodeApp } from '../../src/http/app.ts'
import { portalRoutes } from '../../src/http/portal/portal-routes.ts'
import { readPortal } from '../../src/http/portal/read-portal.ts'
import { type HttpServer, listen } from '../../src/http/server.ts'
import { openNodePortal } from '../../src/node/node-portal.ts'
import { silentLog } from '../support/silent-log.ts'
import { HttpClient } from './raw-http.ts'

const page = '<!doctype html><title>Assay</title>'
const script = 'console.log(1)\n'.repeat(100)

describe('a portal', () => {
  let folder: string
  let served: HttpServer
  let client: HttpClient
  const failures: unknown[] = []
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'assay-portal-files-'))
    await mkdir(path.join(folder, 'portal/assets'), { recursive: true })
    await writeFile(path.join(folder, 'secret.html'), 'not for anybody')
    await writeFile(path.join(folder, 'portal/index.html'), page)
    await writeFile(path.join(folder, 'portal/assets/main-AB12CD34.js'), script)
    await writeFile(path.join(folder, 'portal/notes.txt'), 'of no kind that is served')
    const portal = await readPortal(path.join(folder, 'portal'))
    if (portal === undefined) throw new Error('it was written just now')
    const app = nodeApp({
      routes: [portalRoutes(portal)],
      metrics: new Registry(),
      network: 'local',
      onFailure: error => void failures.push(error),
    })
    served = await listen(app, 0, '127.0.0.1')
    client = new HttpClient(served.port)
  })
  afterAll(async () => {
    client.close()
    await served.stop()
    await rm(folder, { recursive: true, force: true })
    expect(failures).toEqual([])
  })

  const get = (target: string, headers: Readonly<Record<string, string>> = {}) =>
    client.send({ method: 'GET', path: target, headers })

  test('is where a browser is sent that asks for the node itself, and no program is', async () => {
    const browser = await get('/', { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' })
    expect([browser.status, browser.headers['location']]).toEqual([302, '/portal/'])
    expect((await get('/', { accept: '*/*' })).status).toBe(404)
    expect((await get('/', { accept: 'application/json' })).status).toBe(404)
    const slashless = await get('/portal')
    expect([slashless.status, slashless.headers['location']]).toEqual([302, '/portal/'])
  })

  test('may run nothing but its own scripts, call nobody but this node and a wallet, and be in no frame', async () => {
    const { status, headers, body } = await get('/portal/')
    expect([status, body.toString()]).toEqual([200, page])
    expect(headers['content-type']).toBe('text/html; charset=utf-8')
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(String(headers['content-security-policy']).split('; ').sort()).toEqual([
      "base-uri 'none'",
      "connect-src 'self' https://localhost:2121 http://localhost:3321 http://localhost:3301",
      "default-src 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "img-src 'self'",
      "require-trusted-types-for 'script'",
      "script-src 'self'",
      "style-src 'self'",
      "trusted-types 'none'",
    ])
  })

  test('is told of in docs/portal.md with that policy, and with every page', async () => {
    const docs = await readFile(new URL('../../docs/portal.md', import.meta.url), 'utf8')
    const { headers } = await get('/portal/')
    expect(docs).toContain(`Content-Security-Policy: ${String(headers['content-security-policy'])}`)
    const pages = await readFile(new URL('../../web/shell/pages.ts', import.meta.url), 'utf8')
    const told = [...pages.matchAll(/name: '(.*)',\s+title: '(.+)',/g)].map(([, name, title]) => [
      title,
      name,
    ])
    expect(told.length).toBeGreaterThan(5)
    for (const [title, name] of told)
      expect(docs).toMatch(new RegExp(`^\\| ${title} \\| \`#/${name}(/\\{id\\})?\` \\|`, 'm'))
  })

  test('is asked for again each time, and what is named by its content never', async () => {
    expect((await get('/portal/')).headers['cache-control']).toBe('no-cache')
    const asset = await get('/portal/assets/main-AB12CD34.js')
    expect(asset.headers['cache-control']).toBe('public, max-age=31536000, immutable')
  })

  test('is not sent again to whoever has it', async () => {
    const { headers } = await get('/portal/')
    const again = await get('/portal/', { 'if-none-match': String(headers['etag']) })
    expect([again.status, again.body.length]).toEqual([304, 0])
    expect((await get('/portal/', { 'if-none-match': '"another"' })).status).toBe(200)
  })

  test('is compressed for whoever takes that, under a tag of its own', async () => {
    const plain = await get('/portal/assets/main-AB12CD34.js')
    const small = await get('/portal/assets/main-AB12CD34.js', { 'accept-encoding': 'br, gzip' })
    expect(small.headers['content-encoding']).toBe('gzip')
    expect(gunzipSync(small.body).toString()).toBe(script)
    expect(plain.body.toString()).toBe(script)
    expect(small.headers['etag']).not.toBe(plain.headers['etag'])
    expect(small.headers['vary']).toContain('Accept-Encoding')
  })

  test.each([
    '/portal/assets/main-00000000.js',
    '/portal/notes.txt',
    '/portal/../secret.html',
    '/portal/%2e%2e/secret.html',
    '/portal/..%2fsecret.html',
    '/portal/assets',
    '/portal//index.html',
  ])('has nothing at %s', async target => {
    expect((await get(target)).status).toBe(404)
  })

  test('is not there where nobody wants it, or nobody has built it', async () => {
    const nowhere = path.join(folder, 'nowhere')
    expect(await openNodePortal({ PORTAL_ENABLED: true, PORTAL_DIR: nowhere }, silentLog)).toEqual([])
    const built = path.join(folder, 'portal')
    expect(await openNodePortal({ PORTAL_ENABLED: false, PORTAL_DIR: built }, silentLog)).toEqual([])
    expect(await openNodePortal({ PORTAL_ENABLED: true, PORTAL_DIR: built }, silentLog)).toHaveLength(1)
  })
})
