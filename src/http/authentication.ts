import type { Request, RequestHandler, Response, Router } from 'express'

/** BRC-103/104 for an express app. */
export type Authentication = {
  /** The handshake; mounted at the root, ahead of every route that asks who is calling. */
  readonly routes: Router
  /**
   * A handler that only a proven caller reaches; everybody else is answered here. The answer is signed, so it is given
   * with response.status().set().json() or send() and a body: streams and empty answers never reach the client.
   */
  requireIdentity(
    handle: (request: Request, response: Response, caller: Caller) => Promise<void> | void,
    options?: { readonly bodyBytesMax?: number },
  ): RequestHandler
}

export type Caller = {
  /** 33 bytes in lower-case hex. */
  readonly identityKey: string
  /** As it came, to the byte. */
  readonly body: Uint8Array
}
