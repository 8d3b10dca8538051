import { dottedNameOf } from '../contract/names.ts'

/** What is hosted under one name, as it says of itself. */
export type HostedThing = {
  readonly name: string
  readonly description: string
}

export type Counted = {
  readonly outputs: number
  readonly isMore: boolean
  readonly lastAdmittedMs: number | null
}

/** The topics that this node judges and the lookup services that it answers, by both of their names. */
export function hostedList(
  managers: readonly HostedThing[],
  services: readonly HostedThing[],
  counts: ReadonlyMap<string, Counted>,
  countedMs: number,
) {
  return {
    topics: managers.map(({ name, description }) => {
      const { outputs, isMore, lastAdmittedMs } = counts.get(name) ?? notCounted
      return {
        ...{ topic: name, dottedName: dotted(name), description },
        documentation: `/getDocumentationForTopicManager?manager=${encodeURIComponent(name)}`,
        ...{ outputs, isMore, lastAdmittedMs },
      }
    }),
    lookupServices: services.map(({ name, description }) => ({
      ...{ service: name, dottedName: dotted(name), description },
      documentation: `/getDocumentationForLookupServiceProvider?lookupService=${encodeURIComponent(name)}`,
    })),
    countedMs,
  }
}

const notCounted = { outputs: null, isMore: false, lastAdmittedMs: null }

function dotted(name: string): string | null {
  const read = dottedNameOf(name)
  return read.ok ? read.value : null
}
