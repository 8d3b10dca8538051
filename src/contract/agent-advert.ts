import { readToken, type TokenOf, tagOf } from './tokens.ts'

const readBefore = new WeakMap<Uint8Array, TokenOf<'GDA1'> | 'none'>()

/**
 * The advert of an agent in a locking script, if it is a sound one. Judge and index ask in turn about the same bytes, a
 * view of a transaction that nobody changes, and only the first pays for the two signatures.
 */
export function agentAdvertIn(script: Uint8Array): TokenOf<'GDA1'> | undefined {
  let advert = readBefore.get(script)
  if (advert === undefined) {
    const token = tagOf(script) === 'GDA1' ? readToken(script) : undefined
    advert = token?.ok && token.value.tag === 'GDA1' ? token.value : 'none'
    readBefore.set(script, advert)
  }
  return advert === 'none' ? undefined : advert
}
