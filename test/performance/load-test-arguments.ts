/** Each variable, and the option of `npm run bench` that it is another name of. */
export const loadTestVariables = {
  TARGET_THROUGHPUT: { option: 'rate', fallback: '10000' },
  DURATION: { option: 'seconds', fallback: '60' },
  BATCH_SIZE: { option: 'batch', fallback: '100' },
} as const

export function loadTestArguments(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(loadTestVariables).flatMap(([name, { option, fallback }]) => [
    `--${option}`,
    env[name] || fallback,
  ])
}
