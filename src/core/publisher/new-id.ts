const READABLE_CHARS_MAX = 40
/** Of letters and digits that nobody mistakes for another: so many give 60 bits. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
export const ID_RANDOM_BYTES = 12

/**
 * An id that reads like the name and that nobody else has. Publishers do not choose ids: being told that one is taken
 * would tell them of what is not theirs, and good names would go to whoever comes first.
 */
export function newId(name: string, random: Uint8Array): string {
  const readable = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}+/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, READABLE_CHARS_MAX)
    .replace(/^-+|-+$/g, '')
  const unique = Array.from(random.subarray(0, ID_RANDOM_BYTES), byte => ALPHABET[byte & 31]).join('')
  return readable === '' ? unique : `${readable}-${unique}`
}
