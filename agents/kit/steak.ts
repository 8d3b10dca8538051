/** What a submission is answered with: the seat is admitted where the job is taken, and nothing where it is not. */
export function steakOf(topic: string, admitted: readonly number[]): Record<string, Instructions> {
  return { [topic]: { outputsToAdmit: admitted, coinsToRetain: [] } }
}

type Instructions = { readonly outputsToAdmit: readonly number[]; readonly coinsToRetain: readonly number[] }
