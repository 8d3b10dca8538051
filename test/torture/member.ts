import { setTimeout as pause } from 'node:timers/promises'
import type { Child, ChildSettings } from '../node/child-node.ts'

/** A process of ours that is killed, paused and started again. */
export type Member = {
  readonly name: string
  /** Of the process there is now. */
  pid(): number | undefined
  start(more?: ChildSettings): Promise<void>
  kill(): Promise<void>
  /** As whoever looks after it does before another version is started; throws where it does not end in order. */
  stop(): Promise<void>
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
  /** What it says that cannot start just now, as where its database is away: whoever looks after it starts it again after a while. */
  readonly notYet?: RegExp
  /** It has ended, and nobody has killed it. */
  onUnasked(why: string): void
}

const AGAIN_MS = 1_000
const AGAIN_MAX = 60

export function openMember({ name, launch, ready, notYet, onUnasked }: MemberOptions): Member {
  let child: Child | undefined
  const killed = new WeakSet<Child>()
  const earlier: string[] = []
  const remember = (ended: Child) => {
    earlier.push(ended.said())
    earlier.splice(0, earlier.length - SAID_BEFORE_MAX)
  }
  return {
    name,
    pid: () => (child?.hasExited() === false ? child.pid : undefined),
    async start(more = {}) {
      for (let again = 0; ; again++) {
        const own = launch(more)
        child = own
        const isTriedAgain = () => again < AGAIN_MAX && notYet?.test(last(own.said())) === true
        void own.exited.then(({ code, signal }) => {
          if (!killed.has(own) && !isTriedAgain())
            onUnasked(`${name} ended by itself, with ${signal ?? code}: ${last(own.said())}`)
        })
        await ready(own)
        if (!own.hasExited() || killed.has(own) || !isTriedAgain()) return
        remember(own)
        await pause(AGAIN_MS)
      }
    },
    async kill() {
      if (child === undefined) return
      killed.add(child)
      await child.kill()
      remember(child)
      child = undefined
    },
    async stop() {
      const own = child
      if (own === undefined) return
      killed.add(own)
      own.signal('SIGTERM')
      const tooLong = new AbortController()
      const exit = await Promise.race([
        own.exited,
        pause(STOP_MS_MAX, undefined, { signal: tooLong.signal }),
      ]).finally(() => tooLong.abort())
      if (exit === undefined) await own.kill()
      remember(own)
      child = undefined
      if (exit === undefined)
        throw new Error(`${name} had not ended ${STOP_MS_MAX / 1_000} s after SIGTERM: ${last(own.said())}`)
      // What has not begun to say anything leaves nothing behind.
      const isInOrder = exit.code === 0 || (exit.signal === 'SIGTERM' && own.said() === '')
      if (!isInOrder)
        throw new Error(`${name} ended with ${exit.signal ?? exit.code} after SIGTERM: ${last(own.said())}`)
    },
    pause: () => child?.signal('SIGSTOP'),
    resume: () => child?.signal('SIGCONT'),
    said: () => [...earlier, child?.said() ?? ''].filter(text => text !== '').join('\n---\n'),
  }
}

const SAID_BEFORE_MAX = 20
/** Several times what a node waits for anything when it is told to stop. */
const STOP_MS_MAX = 60_000

function last(text: string): string {
  return text.trimEnd().split('\n').slice(-3).join(' | ')
}
