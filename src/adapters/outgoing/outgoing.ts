/** A call to an address that came from an advert or from a user, and that nobody here has vouched for. */
export type Outgoing = (url: string, request?: OutgoingRequest) => Promise<OutgoingAnswer>

export type OutgoingRequest = {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly answerBytesMax?: number
  readonly answerMsMax?: number
}

export type OutgoingAnswer = {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
}
