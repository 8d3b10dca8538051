/** Whom a stream is for, fixed when it is created. Packets, outputs and state inherit it. */
export const audiences = ['public', 'restricted'] as const
export type Audience = (typeof audiences)[number]
