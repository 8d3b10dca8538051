import type { Choices } from '../core/rounds/simulator/choices.ts'
import type { Cluster } from './cluster.ts'

/** One kind of what may go wrong. */
export type Trouble = {
  readonly name: string
  /** So long it goes on. */
  readonly ms: { readonly min: number; readonly max: number }
  /** What is needed for it and not there, in a sentence. */
  missing?(cluster: Cluster): string | undefined
  /** Whom it meets, and how: decided while the plan is made. */
  draw(choices: Choices): Drawn
  /** Resolves, once it has begun, with how to undo it. */
  begin(cluster: Cluster, how: Drawn['how']): Promise<() => Promise<void>>
}

export type Drawn = {
  /** Nothing else happens to these meanwhile. */
  readonly touches: readonly string[]
  readonly how: { readonly [member: string]: string | number }
}

export function pickOf<T>(list: readonly T[], { pick }: Choices): T {
  const [first] = list
  const picked = list[pick(list.length)] ?? first
  if (picked === undefined) throw new Error('there is nothing to pick from')
  return picked
}
