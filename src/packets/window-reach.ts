/** How long after an event a window that holds it may still be open, in the time of the events. Only fusion has windows. */
export type WindowReach = { readonly windowMs: number; readonly latenessMs: number }
