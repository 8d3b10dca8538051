import { type Answer, type Asked, ask } from '../ask/ask.ts'
import type { Reads } from '../ask/shapes.ts'

/** Asks the routes of operators with their token, which is kept in memory alone and goes when the page does. */
export type OperatorCall = <T>(path: string, reads: Reads<T>, asked?: Asked) => Promise<Answer<T>>

let token: string | undefined

export function rememberToken(given: string | undefined): void {
  token = given
}

export function hasToken(): boolean {
  return token !== undefined
}

export const askAsOperator: OperatorCall = (path, reads, asked = {}) =>
  ask(path, reads, { ...asked, headers: { ...asked.headers, Authorization: `Bearer ${token ?? ''}` } })
