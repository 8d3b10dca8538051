import { Wide } from './wide.tsx'

/** Whatever somebody sent, as text and never as anything else. */
export function Json({ value, label }: { readonly value: unknown; readonly label: string }) {
  return (
    <Wide label={label} kind="json">
      <pre>{typeof value === 'string' ? value : (JSON.stringify(value, undefined, 2) ?? 'nothing')}</pre>
    </Wide>
  )
}
