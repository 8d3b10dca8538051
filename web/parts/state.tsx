const tones: Readonly<Record<string, string>> = {
  received: 'received',
  normalized: 'normalized',
  validated: 'validated',
  certified: 'certified',
  anchored: 'anchored',
  proven: 'proven',
  rejected: 'bad',
  split: 'bad',
  quarantined: 'warn',
  waived: 'warn',
}

/** What has become of an event, in the word of docs/trace.md. */
export function State({ state }: { readonly state: string }) {
  return <span class={`state ${tones[state] ?? ''}`}>{state}</span>
}
