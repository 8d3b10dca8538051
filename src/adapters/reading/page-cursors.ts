import { hkdfSync } from 'node:crypto'
import { fromUtf8, utf8 } from '../../core/bytes.ts'
import { canonicalJson, type Json, parseJson } from '../../core/canonical-json.ts'
import { seal, unseal } from '../keys/seal.ts'

/** Where the next page begins, as a text that nobody can read or make but nodes of this database. */
export type PageCursors = {
  write(page: CursorOf, at: Json): string
  /** Undefined where it is none of ours, or leads on with another question, or of a reader with other rights. */
  read(page: CursorOf, text: string): Json | undefined
}

export type CursorOf = { readonly route: string; readonly question: Json; readonly rights: string }

/** The longest name of a stream, sealed, fits. */
export const CURSOR_CHARS_MAX = 2048
/** Nonce, tag, and at least something between them. */
const SEALED_BYTES_MIN = 29

/** A page can end at an event that its reader may not see, so cursors are sealed and not only signed. */
export function openPageCursors(masterKey: Uint8Array): PageCursors {
  const key = new Uint8Array(hkdfSync('sha256', masterKey, '', 'assay page cursors', 32))
  return {
    write: (page, at) => Buffer.from(seal(key, nameOf(page), utf8(canonicalJson(at)))).toString('base64url'),
    read(page, text) {
      if (text.length > CURSOR_CHARS_MAX || !/^[\w-]+$/.test(text)) return undefined
      const sealed = Buffer.from(text, 'base64url')
      if (sealed.length < SEALED_BYTES_MIN || sealed.toString('base64url') !== text) return undefined
      const opened = unseal(key, nameOf(page), sealed)
      const json = opened && fromUtf8(opened)
      const read = json === undefined ? undefined : parseJson(json)
      return read?.ok ? read.value : undefined
    },
  }
}

function nameOf({ route, question, rights }: CursorOf): string {
  return `page-cursor ${canonicalJson([route, question, rights])}`
}
