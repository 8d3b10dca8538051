/** How many operators must give the same answer, and how many are asked. Constants, never a token's to choose. */
export const quorums = {
  basic: { agreeing: 1, seats: 1 },
  enhanced: { agreeing: 2, seats: 3 },
  critical: { agreeing: 3, seats: 3 },
} as const satisfies Record<string, { agreeing: number; seats: number }>

export type Level = keyof typeof quorums

/** Weakest first. */
export const levels: readonly Level[] = ['basic', 'enhanced', 'critical']

export function isLevel(text: unknown): text is Level {
  return typeof text === 'string' && Object.hasOwn(quorums, text)
}

export function reachesLevel(level: Level, minimum: Level): boolean {
  return levels.indexOf(level) >= levels.indexOf(minimum)
}
