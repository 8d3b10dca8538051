/** It has not answered as an agent does. */
export class SilentAgent extends Error {
  override readonly name = 'SilentAgent'
  /** False where there was no way to call it: then it cannot be reached, and was not asked. */
  readonly wasCalled: boolean

  constructor(
    message: string,
    { wasCalled = true, ...options }: ErrorOptions & { readonly wasCalled?: boolean } = {},
  ) {
    super(message, options)
    this.wasCalled = wasCalled
  }
}

/** It has answered that it does not work on this one, or not now. */
export class NotTaken extends Error {
  override readonly name = 'NotTaken'
}

/** By us, and what it says to that is still to come: nothing is wrong with the agent. */
export class OfferedAlready extends Error {
  override readonly name = 'OfferedAlready'
}
