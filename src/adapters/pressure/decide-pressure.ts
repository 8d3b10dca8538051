/** What has been taken in and not worked on, and the room that there is for more. */
export type Load = {
  /** In no packet yet, sealed or not. */
  readonly unpackedEvents: number
  /** Of the disk that has the least. */
  readonly freeBytes: number
}

export type PressureBounds = {
  readonly unpackedEventsMax: number
  readonly freeBytesMin: number
}

/** What stands against taking in more. */
export type Pressed = { readonly backlog: boolean; readonly disk: boolean }

export const unpressed: Pressed = { backlog: false, disk: false }

/** Once it is refused, it takes so much more room than the bound before it is taken in again. */
const EASED_BACKLOG = 0.8
const EASED_DISK = 1.25

/** Refuses at a bound, and goes on refusing until there is some room to spare: else it would change its mind all the time. */
export function decidePressure(was: Pressed, load: Load, bounds: PressureBounds): Pressed {
  const { unpackedEventsMax, freeBytesMin } = bounds
  return {
    backlog: load.unpackedEvents >= (was.backlog ? EASED_BACKLOG : 1) * unpackedEventsMax,
    disk: load.freeBytes < (was.disk ? EASED_DISK : 1) * freeBytesMin,
  }
}
