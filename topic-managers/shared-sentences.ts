import type { AdvertBounds } from './advert-topic.ts'

/* What the pages of several topics say alike. */

export function localSentence({ allowLocal }: AdvertBounds): string {
  return allowLocal
    ? 'This host is one for tests at home: it also takes addresses without TLS (`http`, `ws`), and those of its own machine and network.'
    : 'An address without TLS (`http`, `ws`), `localhost`, and the numbers of a machine itself or of private networks are not admitted.'
}

export function boundsSentence({ advertsMax, beefBytesMax }: AdvertBounds): string {
  const number = (value: number) => value.toLocaleString('en-US')
  return `A transaction holds at most ${number(advertsMax)} adverts, with more of them none is admitted; a BEEF has at most ${number(beefBytesMax)} bytes.`
}
