/** One of those that are compared, in a process and on a database of its own. */
export type Contender = {
  /** What stands in the body of a request, as its HTTP route would hand it over. Resolves with the outputs admitted. */
  submit(beef: Uint8Array): Promise<number>
  /** Opens its HTTP routes, where it has some; resolves with their URL. */
  listen(): Promise<string>
  close(): Promise<void>
}

export type OpenContender = (setting: ContenderSetting) => Promise<Contender>

export type ContenderSetting = {
  /** An empty database. */
  readonly databaseUrl: string
  /** Of the blocks that prove what is submitted, by height. */
  readonly roots: ReadonlyMap<number, string>
}

/** Both pools have as many connections as there are submits at once. */
export const CONNECTIONS = 16
