import { readOnce } from './read-once.ts'
import { readToken, type TokenOf, tagOf } from './tokens.ts'

/** The advert of an agent in a locking script, if it is a sound one. */
export const agentAdvertIn = readOnce((script): TokenOf<'GDA1'> | undefined => {
  const token = tagOf(script) === 'GDA1' ? readToken(script) : undefined
  return token?.ok && token.value.tag === 'GDA1' ? token.value : undefined
})
