/** A request's path as it may be logged: without its query, and without the token that an upload URL is. */
export function loggedPath(originalUrl: string): string {
  return originalUrl.replace(/\?.*/s, '').replace(/^(\/uhrp\/uploads\/).+/is, '$1…')
}
