import type { Fault } from '../src/core/fault.ts'

/** A question that a lookup service cannot make sense of: its asker's mistake, so hosts answer it as one. */
export class InvalidQuery extends Error {
  readonly code = 'ERR_LOOKUP_INVALID_QUERY'
  /** JSON Pointer into the query, `` for all of it. */
  readonly pointer: string

  constructor(service: string, { detail, pointer = '' }: Pick<Fault, 'detail' | 'pointer'>) {
    const place = pointer === '' ? 'The query' : `The query, at ${pointer},`
    super(`${place} is not one that ${service} answers: ${detail}. Its documentation lists the members.`)
    this.name = 'InvalidQuery'
    this.pointer = pointer
  }
}
