import { shareOf } from '../../../src/serve/live/live-filter.ts'

/** The same asked of a stream and of a query. */
export type Question = {
  readonly live: string
  readonly search: string
  /** Of what the query finds, what a share of it has. */
  readonly isIn?: (eventId: string) => boolean
}

// Each type has a site of its own; sites are nothing that these streams are searched by.
const where = encodeURIComponent('{"field":"/site","op":"=","value":"site-2"}')

export const questions: readonly Question[] = [
  { live: 'status=received&sourceIds=load-0-seldom', search: 'sourceId=load-0-seldom' },
  { live: 'status=received&types=type-1', search: 'type=type-1' },
  { live: `status=received&where=${where}`, search: 'type=type-2' },
  { live: 'status=received&types=type-3&streams=load-1', search: 'type=type-3&stream=load-1' },
  {
    live: 'status=received&types=type-4&split=2/3',
    search: 'type=type-4',
    isIn: eventId => shareOf(eventId, 3) === 2,
  },
]
