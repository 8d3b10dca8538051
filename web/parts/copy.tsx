import { useState } from 'preact/hooks'

export function CopyButton({ text, what }: { readonly text: string; readonly what: string }) {
  const [said, setSaid] = useState<'copied' | 'failed'>()
  const copy = async () => {
    const outcome = await put(text)
    setSaid(outcome)
    setTimeout(() => setSaid(undefined), SAID_MS)
  }
  return (
    <button type="button" class="copy" onClick={copy} title={`Copy ${what}`} aria-label={`Copy ${what}`}>
      <svg viewBox="0 0 16 16" width="13" height="13" aria-hidden="true">
        {said === 'copied' ? (
          <path d="M3 8.5l3.2 3L13 4.5" fill="none" stroke="currentColor" stroke-width="1.8" />
        ) : (
          <path
            d="M5.5 5.5h7v8h-7zM3.5 10.5v-8h7"
            fill="none"
            stroke="currentColor"
            stroke-width="1.4"
            stroke-linejoin="round"
          />
        )}
      </svg>
      {said !== undefined && (
        <span class="copy-said" role="status">
          {said === 'copied'
            ? 'Copied'
            : 'Select it by hand: this browser copies only over https or at localhost'}
        </span>
      )}
    </button>
  )
}

const SAID_MS = 1_600

async function put(text: string): Promise<'copied' | 'failed'> {
  try {
    await navigator.clipboard.writeText(text)
    return 'copied'
  } catch {
    // Not given to this page; it is said to the reader.
    return 'failed'
  }
}

/** A command as one would paste it. */
export function Command({ text, what }: { readonly text: string; readonly what: string }) {
  return (
    <div class="command">
      <pre>
        <code>{text}</code>
      </pre>
      <CopyButton text={text} what={what} />
    </div>
  )
}
