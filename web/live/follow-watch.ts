import { nodeUrl } from '../ask/ask.ts'

export type Following = { stop(): void }
export type FollowState = 'connecting' | 'open' | 'broken' | 'refused'

const AGAIN_MS = 1_500

/**
 * Follows `/watch` while somebody looks: a browser has six connections to a node, and tabs in the background would take
 * them all. What happened meanwhile is not told; the plots leave it blank.
 */
export function followWatch(on: { message(data: string): void; state(state: FollowState): void }): Following {
  let source: EventSource | undefined
  let again: ReturnType<typeof setTimeout> | undefined
  let isStopped = false

  const close = () => {
    clearTimeout(again)
    source?.close()
    source = undefined
  }
  const open = () => {
    close()
    if (isStopped || document.hidden) return
    on.state('connecting')
    const opened = new EventSource(nodeUrl('/watch'))
    source = opened
    let wasOpen = false
    opened.onopen = () => {
      wasOpen = true
      on.state('open')
    }
    opened.onmessage = ({ data }) => on.message(String(data))
    opened.onerror = () => {
      // Closed by the browser: the node has answered, and not with a stream.
      on.state(opened.readyState === EventSource.CLOSED && !wasOpen ? 'refused' : 'broken')
      close()
      again = setTimeout(open, AGAIN_MS)
    }
  }
  const looked = () => (document.hidden ? close() : source === undefined && open())
  document.addEventListener('visibilitychange', looked)
  open()
  return {
    stop() {
      isStopped = true
      document.removeEventListener('visibilitychange', looked)
      close()
    },
  }
}
