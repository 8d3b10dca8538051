import { baseTopics } from '../../contract/names.ts'

/** Whom to tell of what is new. Asked by every submission, so it answers from memory. */
export type Targets = {
  /** Told of every topic: the network, and whom the operator names by base URL. */
  readonly always: readonly string[]
  /** Those who say that they host this topic. */
  of(topic: string): readonly string[]
}

export const NETWORK = 'network'

/** Whether what is told of these topics, an expression of type text[], is told one after the other. */
export function toldInOrder(target: string, topics: string): string {
  return `(${target} <> '${NETWORK}' and '${baseTopics.certified}' = any (${topics}))`
}

/** One that nobody here has vouched for: its advert is all that is known of it. */
export function advertisedTarget(base: string): string {
  return `${ADVERTISED}${base}`
}

/** The base URL; undefined where the operator has named the target. */
export function baseOfAdvertised(target: string): string | undefined {
  return target.startsWith(ADVERTISED) ? target.slice(ADVERTISED.length) : undefined
}

const ADVERTISED = 'ship '
