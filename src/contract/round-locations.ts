/**
 * What agents fetch of a round, under each of the locations that its job names: `<location>/<kind>/<name>`. All of it is
 * checked against its name by whoever fetches it.
 *
 * document: the round document, by its inputHash. packet: its lines, by packetId. policy: the policy set in canonical
 * form, by its digest. state: carried state, by its SHA-256. outcome: what a stage has agreed on for one member, by its
 * leaf, as the work of that one member (work.ts). manifest: of what an aggregate is over, by its versionId.
 */
export const roundParts = ['document', 'packet', 'policy', 'state', 'outcome', 'manifest'] as const
export type RoundPart = (typeof roundParts)[number]

export const ROUNDS_PATH = '/rounds'

export function roundPartUrl(location: string, part: RoundPart, name: string): string {
  return `${location.replace(/\/$/, '')}/${part}/${name}`
}

/**
 * The same address for a request that is signed: it says for which log's job it asks, so that whoever is asked can show
 * the signature to no node of another log. A signature covers no host, and jobs name any.
 */
export function onBehalfOf(url: string, logKey: string): string {
  return `${url}?log=${logKey}`
}
