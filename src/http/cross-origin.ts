import type { RequestHandler } from 'express'

export const crossOriginHeaders = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': '*',
  'Access-Control-Allow-Methods': '*',
  'Access-Control-Expose-Headers': '*',
  'Access-Control-Allow-Private-Network': 'true',
}

/** Browser wallets call overlay hosts from any page; nothing here goes by cookies. */
export const allowCrossOrigin: RequestHandler = (request, response, next) => {
  response.set(crossOriginHeaders)
  if (request.method === 'OPTIONS') response.status(200).end()
  else next()
}
