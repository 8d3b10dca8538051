import { nodeUrl } from '../ask/ask.ts'

export type Following = { stop(): void }
export type FollowState = 'connecting' | 'open' | 'broken' | 'refused'

const AGAIN_MS = 1_500

/**
 * Follows `/watch` while somebody looks: a browser has six connections to a node, and tabs in the background would take
 * them all. What happened meanwhile is not told; the plots leave it blank.
 */
export function followWatch(on: {
  message(data: string): void
  state(state: FollowState): void
  /** What lets one connection in; undefined where there is nothing. */
  query(): Promise<string | undefined>
}): Following {
  let source: EventSource | undefined
  let turn = 0
  let again: ReturnType<typeof setTimeout> | undefined
  let isStopped = false

  const close = () => {
    turn += 1
    clearTimeout(again)
    source?.close()
    source = undefined
  }
  const open = async () => {
    close()
    if (isStopped || document.hidden) return
    on.state('connecting')
    const mine = turn
    const query = await on.query()
    // Closed meanwhile, or opened again.
    if (mine !== turn) return
    if (query === undefined) return lost('refused')
    const opened = new EventSource(nodeUrl(`/watch${query}`))
    source = opened
    let wasOpen = false
    opened.onopen = () => {
      wasOpen = true
      on.state('open')
    }
    opened.onmessage = ({ data }) => on.message(String(data))
    opened.onerror = () => {
      // Closed by the browser: the node has answered, and not with a stream.
      lost(opened.readyState === EventSource.CLOSED && !wasOpen ? 'refused' : 'broken')
    }
  }
  const lost = (state: FollowState) => {
    on.state(state)
    close()
    again = setTimeout(open, AGAIN_MS)
  }
  const looked = () => (document.hidden ? close() : source === undefined && void open())
  document.addEventListener('visibilitychange', looked)
  void open()
  return {
    stop() {
      isStopped = true
      document.removeEventListener('visibilitychange', looked)
      close()
    },
  }
}
