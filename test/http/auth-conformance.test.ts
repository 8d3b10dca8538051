import fs from 'node:fs'
import path from 'node:path'
import { Router } from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { installNativeCurve } from '../../src/adapters/bsv/native-curve.ts'
import { type AuthApp, type AuthBed, authBed } from '../support/auth-bed.ts'

const vectorFile = z.object({
  vectors: z.array(
    z.object({
      id: z.string(),
      description: z.string(),
      input: z.looseObject({
        method: z.string().default(''),
        path: z.string().default(''),
        headers: z.record(z.string(), z.string()).default({}),
        body: z.unknown().optional(),
      }),
      expected: z.looseObject({
        status: z.number().optional(),
        body: z.record(z.string(), z.unknown()).optional(),
        body_shape: z.record(z.string(), z.string()).optional(),
        response_headers_required: z.array(z.string()).default([]),
      }),
    }),
  ),
})

const madeUp = 'its signature is made up, and no server that verifies can take it'
const noCertificates = 'it needs a server that asks for certificates, and this one asks for none'
const noRequest = 'it describes a form and is no request'

/** Why a vector is not sent. Every other one must pass. */
const skipped: Readonly<Record<string, string>> = {
  'auth.brc31-handshake.5': madeUp,
  'auth.brc31-handshake.6': madeUp,
  'auth.brc31-handshake.10': noCertificates,
  'auth.brc31-handshake.11': noCertificates,
  'auth.brc31-handshake.12': noRequest,
  'auth.brc31-handshake.13': noRequest,
  'auth.brc31-handshake.14':
    'it wants the second of two equal handshakes refused, and vectors 1 and 2 are two such; what BRC-104 forbids to repeat is the nonce of a general message, which test/http/authentication.test.ts holds to',
  'auth.brc31-handshake.15': noRequest,
  'auth.brc31-handshake.16': `${madeUp}; it also needs a server that cannot sign`,
}

const folder = process.env['ASSAY_CONFORMANCE_DIR']
const file = folder === undefined ? '' : path.join(folder, 'auth', 'brc31-handshake.json')
if (!fs.existsSync(file))
  describe.skip('the published handshake vectors (skipped: set ASSAY_CONFORMANCE_DIR to a folder that holds auth/brc31-handshake.json)', () => {
    test('are not here', () => undefined)
  })
else
  describe('the published handshake vectors', () => {
    const curve = installNativeCurve()
    let bed: AuthBed
    let app: AuthApp
    beforeAll(async () => {
      bed = await authBed()
      app = await bed.open({
        routes({ requireIdentity }) {
          const guarded = requireIdentity((_, response) => void response.json({}))
          const routes = Router()
          routes.get('/api/public-resource', (_, response) => void response.json({}))
          return routes.get('/api/resource', guarded).post('/sendMessage', guarded)
        },
      })
    }, 60_000)
    afterAll(async () => {
      await bed.close()
      curve.uninstall()
    })

    const { vectors } = vectorFile.parse(JSON.parse(fs.readFileSync(file, 'utf8')))
    for (const { id, description, input, expected } of vectors) {
      const why = skipped[id]
      if (why !== undefined) test.skip(`${id}: ${description} (skipped: ${why})`, () => undefined)
      else
        test(`${id}: ${description}`, async () => {
          const response = await fetch(app.url + input.path, {
            method: input.method,
            headers: input.headers,
            ...(input.body !== undefined && { body: JSON.stringify(input.body) }),
          })
          expect(response.status).toBe(expected.status)
          for (const name of expected.response_headers_required)
            expect(response.headers.get(name) ?? 'undefined', name).not.toBe('undefined')
          const body = await response.json()
          if (expected.body) expect(body).toMatchObject(expected.body)
          if (expected.body_shape) expect(body).toMatchObject(asMatcher(expected.body_shape))
        })
    }
  })

function asMatcher(shape: Readonly<Record<string, string>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(shape).map(([name, value]) => {
      if (value === 'string') return [name, expect.any(String)]
      return [name, value === 'array' ? expect.any(Array) : value]
    }),
  )
}
