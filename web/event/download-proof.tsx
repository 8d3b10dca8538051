import { useState } from 'preact/hooks'
import { nodeUrl } from '../ask/ask.ts'
import { useIdentity } from '../sign-in/identity.ts'

/** A link where everybody may have it; asked for with a signature by whoever has signed in, as a link carries none. */
export function DownloadProof({ eventId }: { readonly eventId: string }) {
  const signer = useIdentity()?.signer
  const [said, setSaid] = useState('')
  const url = nodeUrl(`/events/${encodeURIComponent(eventId)}/proof`)
  const name = `${eventId}.assay.json`
  if (signer === undefined)
    return (
      <a class="button first" href={url} download={name}>
        Download the proof
      </a>
    )
  const fetchIt = async () => {
    setSaid('Fetching…')
    try {
      const { status, text } = await signer.fetch(url, { method: 'GET', body: undefined })
      if (status !== 200) return setSaid(`The node answered ${status}.`)
      save(text, name)
      setSaid('')
    } catch (error) {
      setSaid(String(error))
    }
  }
  return (
    <>
      <button type="button" class="first" onClick={() => void fetchIt()}>
        Download the proof
      </button>
      <span role="status" class="quiet">
        {said}
      </span>
    </>
  )
}

function save(text: string, name: string): void {
  const href = URL.createObjectURL(new Blob([text], { type: 'application/json' }))
  Object.assign(document.createElement('a'), { href, download: name }).click()
  URL.revokeObjectURL(href)
}
