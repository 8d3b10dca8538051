import {
  type CertificateStoreDeps,
  type OpenCertificateStore,
  openCertificateStore,
} from '../../../src/adapters/certificates/certificate-store.ts'
import { keepOutputIn, readPartIn } from '../../../src/adapters/certificates/keep-output.ts'
import type { ContentStore } from '../../../src/adapters/uhrp/content-store.ts'
import { type Certifying, type CertifyingDeps, startCertifying } from '../../../src/certify/certificates.ts'
import { repeat } from '../../../src/runtime/repeat.ts'
import type { RoundOptions } from '../../support/certified-round.ts'
import { contentOn, type DecidedRound, decidedRound } from '../../support/decided-round.ts'
import { party } from '../../support/pipeline.ts'
import { type FuelBed, fuelBed } from '../fuel/fuel-bed.ts'

/** An overlay node with fuel and decided rounds, and whatever certifies them. */
export type CertificatesBed = Omit<FuelBed, 'reports'> & {
  /** From sealing to certificate, of each packet. */
  readonly waits: readonly number[]
  readonly content: ContentStore
  /** Of the content store. */
  readonly directory: string
  readonly reports: readonly { readonly what: string; readonly said: readonly unknown[] }[]
  decide(options?: RoundOptions): Promise<DecidedRound>
  store(deps?: Partial<CertificateStoreDeps>): OpenCertificateStore
  start(deps?: Partial<CertifyingDeps>): Certifying
  /** Rows of a query, with every bytea in hex. */
  rows(text: string, ...values: readonly unknown[]): Promise<Record<string, unknown>[]>
}

export async function certificatesBed(): Promise<CertificatesBed> {
  const fuel = await fuelBed()
  const { pool } = fuel.bed.database
  const content = await contentOn(pool)
  const reports: { what: string; said: readonly unknown[] }[] = []
  const note =
    (what: string) =>
    (...said: unknown[]) =>
      void reports.push({ what, said })
  const waits: number[] = []
  const running: Certifying[] = []
  const unfollow: (() => Promise<void>)[] = []
  const store = (deps: Partial<CertificateStoreDeps> = {}) =>
    openCertificateStore({
      pool,
      fuel: fuel.fuel,
      coordinator: `test ${running.length}`,
      readPart: readPartIn(content.store),
      onUnreadable: note('onUnreadable'),
      unsettledMs: 20,
      onCertified: afterMs => void waits.push(afterMs),
      ...deps,
    })
  return {
    ...fuel,
    content: content.store,
    directory: content.directory,
    reports,
    waits,
    decide: options => decidedRound(fuel.bed, content.store, options),
    store,
    start(deps = {}) {
      const certificates = store()
      const certifying = startCertifying({
        store: certificates,
        repeat,
        keepOutput: keepOutputIn(content.store),
        log: party('log'),
        now: Date.now,
        at: () => undefined,
        onLost: note('onLost'),
        onCertified: note('onCertified'),
        onGivenUp: note('onGivenUp'),
        onRefused: note('onRefused'),
        onFailure: note('onFailure'),
        timing: { pollMs: 20, againMs: 20 },
        ...deps,
      })
      running.push(certifying)
      unfollow.push(fuel.bed.chain.follow(async ({ forkHeight }) => certificates.reorganised(forkHeight)))
      return certifying
    },
    async rows(text, ...values) {
      const { rows } = await pool.query<Record<string, unknown>>(text, [...values])
      return rows.map(row =>
        Object.fromEntries(
          Object.entries(row).map(([key, value]) => [
            key,
            Buffer.isBuffer(value) ? value.toString('hex') : value,
          ]),
        ),
      )
    },
    async close() {
      for (const stop of unfollow) await stop()
      for (const each of running) await each.stop()
      await fuel.close()
      await content.close()
    },
  }
}
