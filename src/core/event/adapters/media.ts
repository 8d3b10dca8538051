/** A subtype of `json`, or one that ends with `+json`, whatever the parameters (CloudEvents JSON format, 3.1.1). */
export function isJsonType(mediaType: string): boolean {
  return /^[^/;]+\/(?:[^;]+\+)?json$/i.test(essence(mediaType))
}

/** Text that stands for its bytes: a textual type, in UTF-8. */
export function isUtf8TextType(mediaType: string): boolean {
  return /^text\/|[/+]xml$/i.test(essence(mediaType)) && isUtf8(mediaType)
}

export function isUtf8(mediaType: string): boolean {
  const charset = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(mediaType)?.[1]
  return charset === undefined || /^utf-?8$/i.test(charset)
}

/** Canonical base64 of RFC 4648: padded, and one spelling per byte string. */
export function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0 && btoa(atob(text)) === text
}

export function toBase64(bytes: Uint8Array): string {
  let latin1 = ''
  for (const byte of bytes) latin1 += String.fromCharCode(byte)
  return btoa(latin1)
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), char => char.charCodeAt(0))
}

function essence(mediaType: string): string {
  return (mediaType.split(';', 1)[0] ?? '').trim()
}
