import type { ProvenKey } from './host-identities.ts'

/** What is advertised of one host: by identity key, the topics. */
export type Claims = ReadonlyMap<string, ReadonlySet<string>>

/** What counts of it, given the key that the host proves: what anybody else says of the host does not. */
export function topicsUnder(key: ProvenKey, claims: Claims, mayBeUnproven: boolean): ReadonlySet<string> {
  if (key === null) return mayBeUnproven ? allTopics(claims) : none
  return claims.get(key) ?? none
}

export function allTopics(claims: Claims): ReadonlySet<string> {
  return new Set([...claims.values()].flatMap(topics => [...topics]))
}

/** `key`: undefined where the host has not said yet who it is. */
export function isImpostor(claimed: string, key: ProvenKey | undefined, mayBeUnproven: boolean): boolean {
  if (key === undefined || (key === null && mayBeUnproven)) return false
  return key !== claimed
}

export type Impostor = {
  readonly base: string
  readonly advertisedKey: string
  /** Undefined where it proves none. */
  readonly provenKey: string | undefined
}

/** Tells of each once, for as long as it stands. */
export function openImpostors(tell: (impostor: Impostor) => void) {
  let told = new Set<string>()
  return {
    report(
      hosts: ReadonlyMap<string, Claims>,
      keyOf: (base: string) => ProvenKey | undefined,
      mayBeUnproven: boolean,
    ): void {
      const standing = new Set<string>()
      for (const [base, claims] of hosts) {
        const key = keyOf(base)
        for (const advertisedKey of claims.keys()) {
          if (!isImpostor(advertisedKey, key, mayBeUnproven)) continue
          const name = `${base} ${advertisedKey} ${key}`
          standing.add(name)
          if (!told.has(name)) tell({ base, advertisedKey, provenKey: key ?? undefined })
        }
      }
      told = standing
    },
  }
}

const none: ReadonlySet<string> = new Set()
