import { useEffect, useState } from 'preact/hooks'

/** Where in the portal one is: `#/events/ID?x=y` is page `events`, rest `ID`. */
export type Place = {
  readonly page: string
  readonly rest: readonly string[]
  readonly query: URLSearchParams
}

export function readPlace(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2)
  const [page = '', ...rest] = path.split('/').map(decoded)
  return { page, rest: rest.filter(part => part !== ''), query: new URLSearchParams(query) }
}

export function usePlace(): Place {
  const [place, setPlace] = useState(() => readPlace(location.hash))
  useEffect(() => {
    const moved = () => setPlace(readPlace(location.hash))
    addEventListener('hashchange', moved)
    return () => removeEventListener('hashchange', moved)
  }, [])
  return place
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    // Half an escape is somebody's typing; it is shown as it is.
    return part
  }
}
