import { backOff } from '../../runtime/back-off.ts'

/** How it goes with each host, as far as this process has seen. */
export class HostRests {
  readonly #hosts = new Map<string, HostState>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  isResting(host: string): boolean {
    return (this.#hosts.get(host)?.restsUntilMs ?? 0) > this.#now()
  }

  /** Its last answer was one; of a host that has never been called nobody knows. */
  hasAnswered(host: string): boolean {
    return this.#hosts.get(host)?.failures === 0
  }

  failures(host: string): number {
    return this.#hosts.get(host)?.failures ?? 0
  }

  answered(host: string): void {
    this.#put(host, { failures: 0, restsUntilMs: 0 })
  }

  /** It is left alone for a while, longer each time. */
  failed(host: string): void {
    // Of several calls at once that fail together, the first has said it.
    if (this.isResting(host)) return
    const failures = this.failures(host) + 1
    this.#put(host, { failures, restsUntilMs: this.#now() + backOff(failures) })
  }

  #put(host: string, state: HostState): void {
    this.#hosts.delete(host)
    this.#hosts.set(host, state)
    // The one that was not heard of for the longest; if it is called again, it begins anew.
    for (const oldest of this.#hosts.keys()) {
      if (this.#hosts.size <= HOSTS_REMEMBERED_MAX) return
      this.#hosts.delete(oldest)
    }
  }
}

type HostState = { readonly failures: number; readonly restsUntilMs: number }

const HOSTS_REMEMBERED_MAX = 10_000
