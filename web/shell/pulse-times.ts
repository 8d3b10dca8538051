/** Pause between two looks, and how long an answer is waited for. Together less than two seconds, in which a stop has to show. */
export const LOOK_MS = 700
export const ANSWER_MS_MAX = 1_100
