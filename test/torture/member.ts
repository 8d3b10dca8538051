import type { Child, ChildSettings } from '../node/child-node.ts'

/** A process of ours that is killed, paused and started again. */
export type Member = {
  readonly name: string
  /** Of the process there is now. */
  pid(): number | undefined
  start(more?: ChildSettings): Promise<void>
  kill(): Promise<void>
  pause(): void
  resume(): void
  /** The last of what each of its processes has said. */
  said(): string
}

export type MemberOptions = {
  readonly name: string
  launch(more: ChildSettings): Child
  /** Resolves once it works, or the process has ended. */
  ready(child: Child): Promise<void>
  /** It has ended, and nobody has killed it. */
  onUnasked(why: string): void
}

export function openMember({ name, launch, ready, onUnasked }: MemberOptions): Member {
  let child: Child | undefined
  const killed = new WeakSet<Child>()
  const earlier: string[] = []
  return {
    name,
    pid: () => (child?.hasExited() === false ? child.pid : undefined),
    async start(more = {}) {
      const own = launch(more)
      child = own
      void own.exited.then(({ code, signal }) => {
        if (!killed.has(own))
          onUnasked(`${name} ended by itself, with ${signal ?? code}: ${last(own.said())}`)
      })
      await ready(own)
    },
    async kill() {
      if (child === undefined) return
      killed.add(child)
      await child.kill()
      earlier.push(child.said())
      earlier.splice(0, earlier.length - SAID_BEFORE_MAX)
      child = undefined
    },
    pause: () => child?.signal('SIGSTOP'),
    resume: () => child?.signal('SIGCONT'),
    said: () => [...earlier, child?.said() ?? ''].filter(text => text !== '').join('\n---\n'),
  }
}

const SAID_BEFORE_MAX = 20

function last(text: string): string {
  return text.trimEnd().split('\n').slice(-3).join(' | ')
}
