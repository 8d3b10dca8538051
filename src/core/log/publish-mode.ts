/** `live`: packets end within moments. `batch`: they end when they are large, or when a longer time is over. */
export const publishModes = ['live', 'batch'] as const
export type PublishMode = (typeof publishModes)[number]
