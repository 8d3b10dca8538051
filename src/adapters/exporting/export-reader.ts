import type { Pool } from 'pg'
import type { Reader } from '../../core/registry/may-read.ts'
import type { ReadObject } from './read-object.ts'

/** Who gets it: somebody who asks, or the operator, who sees everything. */
export type ExportReader = Reader | 'operator'

export type ExportDeps = {
  readonly pool: Pool
  readonly readObject: ReadObject
}
