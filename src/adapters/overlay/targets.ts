import { baseTopics } from '../../contract/names.ts'

/** Whom to tell of what is new, beside the network. Asked by every submission, so it answers from memory. */
export type Targets = {
  /** Whom the operator names by base URL, and those who say that they host this topic; nobody of a topic that is not distributed. */
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
