import { createAuthMiddleware } from '@bsv/auth-express-middleware'
import { PrivateKey, ProtoWallet, type WalletInterface } from '@bsv/sdk'
import express, { type Express } from 'express'
import { publicKeyOf } from '#curve'
import { migrations } from '../../migrations/index.ts'
import { installNativeCurve } from '../../src/adapters/bsv/native-curve.ts'
import { openDatabase } from '../../src/adapters/postgres/database.ts'
import { migrate } from '../../src/adapters/postgres/migrate.ts'
import { knownHex, toHex } from '../../src/core/bytes.ts'
import { openAuthentication } from '../../src/http/authentication.ts'
import { openLog } from '../../src/runtime/log.ts'
import type { ContenderName, Setting } from './messages.ts'

/** Each answers POST /echo with the length of what it was sent, and who sent it. */
export const contenderApps: Readonly<Record<ContenderName, (setting: Setting) => Promise<Express>>> = {
  async assay({ databaseUrl, privateKey }) {
    installNativeCurve()
    const log = openLog('warn')
    const database = await openDatabase({ url: databaseUrl, log, applicationName: 'bench' })
    await migrate(database, migrations)
    const key = knownHex(privateKey)
    const fail = (error: unknown) => log.error({ err: error }, 'a request failed')
    const { routes, requireIdentity } = openAuthentication({
      identity: { identityKey: toHex(publicKeyOf(key)), privateKey: key },
      pool: database.pool,
      now: Date.now,
      onFailure: fail,
      events: { onHandshake: () => undefined, onRefused: () => undefined, onSweepFailure: fail },
    })
    const echo = requireIdentity((_, response, { identityKey, body }) => {
      response.json({ identityKey, length: body.length })
    })
    return express().use(routes).post('/echo', echo)
  },

  stock: async setting => stockApp(setting),

  async stockOnNativeCurve(setting) {
    installNativeCurve()
    return stockApp(setting)
  },
}

function stockApp({ privateKey }: Setting): Express {
  const wallet = new ProtoWallet(PrivateKey.fromHex(privateKey)) as unknown as WalletInterface
  return express()
    .use('/.well-known/auth', express.json())
    .use(express.raw({ type: () => true }))
    .use(createAuthMiddleware({ wallet }))
    .post('/echo', (request: express.Request & { auth?: { identityKey: string } }, response) => {
      response.json({ identityKey: request.auth?.identityKey, length: request.body.length })
    })
}
