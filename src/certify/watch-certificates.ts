import type { CertificateStore, HeardCertificate } from './ports.ts'

export type WatchDeps = {
  readonly store: Pick<CertificateStore, 'heard' | 'anchored' | 'moved' | 'lost'>
  now(): number
  at(step: string): void
  onLost(certificate: HeardCertificate, why: string): void
  onCertified(certificate: HeardCertificate): void
  onFailure(error: unknown, roundId: string | undefined): void
}

/** Brings what our rows say of certificates into step with what the network says. */
export async function watchCertificates(deps: WatchDeps): Promise<void> {
  for (const certificate of await deps.store.heard())
    try {
      await settle(certificate, deps)
    } catch (error) {
      // One that cannot be settled keeps no other from it, and is heard of again.
      deps.onFailure(error, certificate.roundId)
    }
}

async function settle(certificate: HeardCertificate, deps: WatchDeps): Promise<void> {
  const { store, at, now } = deps
  switch (certificate.news) {
    case 'arrived':
      at('certify.seen')
      if ((await store.anchored(certificate, now())) === 'lost') return
      at('certify.anchored')
      deps.onCertified(certificate)
      return
    case 'moved':
      if ((await store.moved(certificate, now())) === 'written') at('certify.proven')
      return
    case 'lost': {
      const why = certificate.why ?? 'the network will not have it'
      if ((await store.lost(certificate, why, now())) === 'lost') return
      at('certify.lost')
      deps.onLost(certificate, why)
    }
  }
}
