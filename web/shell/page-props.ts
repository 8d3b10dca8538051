import type { Place } from './place.ts'

/** What every page is told. */
export type PageProps = { readonly place: Place }
