import { useState } from 'preact/hooks'
import type { Stream } from '../feeds/shapes.ts'
import { Hash } from '../parts/hash.tsx'
import type { Signer } from '../sign-in/identity.ts'

/** Who reads a stream that is not for everybody: added and taken away by its owner. */
export function Readers(props: {
  readonly stream: Stream
  readonly signer: Signer
  change(readers: readonly string[]): Promise<boolean>
}) {
  const { stream, signer, change } = props
  const { streamId, readers } = stream
  const [typed, setTyped] = useState('')
  const key = typed.trim().toLowerCase()
  const wrong = key === '' ? '' : wrongWith(key, readers)
  const add = async (event: Event) => {
    event.preventDefault()
    if (await change([...readers, key])) setTyped('')
  }
  const id = `reader-${streamId}`
  return (
    <div class="fields">
      <h3>Readers</h3>
      {readers.length === 0 ? (
        <p class="quiet">Nobody reads it, not even you.</p>
      ) : (
        <ul class="versions" aria-label={`Readers of ${streamId}`}>
          {readers.map(reader => (
            <li key={reader}>
              <span>
                <Hash value={reader} name="the reader's key" />
                {reader === signer.identityKey && <span class="quiet"> you</span>}
              </span>
              <button
                type="button"
                aria-label={`Take away ${reader}`}
                onClick={() => void change(readers.filter(each => each !== reader))}
              >
                Take away
              </button>
            </li>
          ))}
        </ul>
      )}
      <form onSubmit={add}>
        <label class="field-label" for={id}>
          Another reader, by identity key
        </label>
        <div class="search-row">
          <input
            id={id}
            type="text"
            autocomplete="off"
            spellcheck={false}
            maxLength={80}
            value={typed}
            aria-invalid={wrong !== ''}
            aria-describedby={`${id}-hint`}
            onInput={({ currentTarget }) => setTyped(currentTarget.value)}
          />
          <button type="submit" disabled={key === '' || wrong !== ''}>
            Let it read
          </button>
        </div>
        <p class="field-hint" role="status" id={`${id}-hint`}>
          {wrong === ''
            ? 'What was told before stays told: whoever is taken away reads nothing more.'
            : wrong}
        </p>
      </form>
    </div>
  )
}

function wrongWith(key: string, readers: readonly string[]): string {
  if (!/^0[23][0-9a-f]{64}$/.test(key))
    return 'That is no identity key yet: 66 hex digits that begin with 02 or 03.'
  return readers.includes(key) ? 'It reads the stream already.' : ''
}
