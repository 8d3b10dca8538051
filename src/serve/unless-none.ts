import { noLeaf } from '../core/rounds/pipeline.ts'

/** Zeros are what tokens say where there is no hash. */
export function unlessNone(hash: string): string | null {
  return hash === noLeaf ? null : hash
}
