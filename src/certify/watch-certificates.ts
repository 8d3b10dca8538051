import type { CertificateStore, HeardCertificate } from './ports.ts'
import type { Rests } from './rests.ts'

export type WatchDeps = {
  readonly store: Pick<CertificateStore, 'heard' | 'anchored' | 'moved' | 'lost'>
  now(): number
  at(step: string): void
  onLost(certificate: HeardCertificate, why: string): void
  onCertified(certificate: HeardCertificate): void
  onFailure(error: unknown, roundId: string | undefined): void
  /** Those that could not be settled. */
  readonly rests: Rests
}

/** Brings what our rows say of certificates into step with what the network says. */
export async function watchCertificates(deps: WatchDeps): Promise<void> {
  const { rests, onFailure } = deps
  for (const certificate of await deps.store.heard(rests.resting()))
    try {
      if (await settle(certificate, deps)) rests.succeeded(certificate.txid)
      else rests.failed(certificate.txid)
    } catch (error) {
      // One that cannot be settled keeps no other from it: it is heard of again, and those behind it before.
      rests.failed(certificate.txid)
      onFailure(error, certificate.roundId)
    }
}

/**
 * False where there is nothing to write: somebody else has settled it, or its proof leads to a block of before, until
 * fuel has another.
 */
async function settle(certificate: HeardCertificate, deps: WatchDeps): Promise<boolean> {
  const { store, at, now } = deps
  switch (certificate.news) {
    case 'arrived':
      at('certify.seen')
      if ((await store.anchored(certificate, now())) === 'lost') return false
      at('certify.anchored')
      deps.onCertified(certificate)
      return true
    case 'moved':
      if ((await store.moved(certificate, now())) === 'lost') return false
      at('certify.proven')
      return true
    case 'lost': {
      const why = certificate.why ?? 'the network will not have it'
      if ((await store.lost(certificate, why, now())) === 'lost') return false
      at('certify.lost')
      deps.onLost(certificate, why)
      return true
    }
  }
}
