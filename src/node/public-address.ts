import type { Settings } from '../runtime/settings.ts'

/** Where others reach this node, without a slash at the end; undefined where nobody has said so. */
export function publicAddressOf(
  { ASSAY_PUBLIC_URL: given, ASSAY_NETWORK, ASSAY_HOST }: Settings,
  port: number,
): string | undefined {
  if (given !== undefined) return given.replace(/\/+$/, '')
  return ASSAY_NETWORK === 'local' ? listeningAddress(ASSAY_HOST, port) : undefined
}

/** An address that one listens on need not be one that can be called. */
export function listeningAddress(host: string, port: number): string {
  if (host === '0.0.0.0' || host === '::') return `http://localhost:${port}`
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
