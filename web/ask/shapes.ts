/**
 * What is read of answers, member by member: small, because every page carries it. What an answer has beside that is
 * left alone, as a newer node may say more.
 */
export type Reads<T> = (value: unknown, at: string) => T
export type Read<R> = R extends Reads<infer T> ? T : never

/** The node has answered something that this page does not know how to read. */
export class UnreadableAnswer extends Error {
  constructor(at: string, wanted: string) {
    super(`${at || 'the answer'} is not ${wanted}`)
    this.name = 'UnreadableAnswer'
  }
}

export const text: Reads<string> = (value, at) => {
  if (typeof value === 'string') return value
  throw new UnreadableAnswer(at, 'a text')
}

export const number: Reads<number> = (value, at) => {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new UnreadableAnswer(at, 'a number')
}

export const flag: Reads<boolean> = (value, at) => {
  if (typeof value === 'boolean') return value
  throw new UnreadableAnswer(at, 'true or false')
}

/** Whatever it is, to be shown as it is. */
export const anything: Reads<unknown> = value => value

export function orNull<T>(reads: Reads<T>): Reads<T | null> {
  return (value, at) => (value === null || value === undefined ? null : reads(value, at))
}

export function list<T>(reads: Reads<T>): Reads<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw new UnreadableAnswer(at, 'a list')
    return value.map((each, i) => reads(each, `${at}[${i}]`))
  }
}

export function object<Members extends Record<string, Reads<unknown>>>(
  members: Members,
): Reads<{ readonly [Name in keyof Members]: Read<Members[Name]> }> {
  return (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new UnreadableAnswer(at, 'an object')
    const given = value as Readonly<Record<string, unknown>>
    const read = Object.entries(members).map(
      ([name, reads]) => [name, reads(given[name], at ? `${at}.${name}` : name)] as const,
    )
    return Object.fromEntries(read) as { readonly [Name in keyof Members]: Read<Members[Name]> }
  }
}

export function record<T>(reads: Reads<T>): Reads<Readonly<Record<string, T>>> {
  return (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new UnreadableAnswer(at, 'an object')
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, reads(each, at ? `${at}.${name}` : name)]),
    )
  }
}
