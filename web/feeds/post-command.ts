/** How to send an event to a feed from a terminal, as its way of signing wants it. */
export function postCommand(url: string, authentication: string, secret: string | undefined): string {
  const body = `{"eventType":"reading","externalId":"reading-1","data":{"celsius":21.5}}`
  if (authentication === 'none') return `curl '${url}' -H 'content-type: application/json' -d '${body}'`
  if (authentication !== 'hmac')
    return `# This feed wants requests signed by ${authentication}; docs/ingest.md says how.\n# POST ${url}`
  return [
    `SECRET='${secret ?? 'whsec_…'}'`,
    `BODY='${body}'`,
    'ID="message-$(date +%s%N)"; TIME="$(date +%s)"',
    `KEY="$(printf %s "\${SECRET#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \\n')"`,
    'SIGNATURE="$(printf %s "$ID.$TIME.$BODY" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$KEY" -binary | base64)"',
    `curl '${url}' -H 'content-type: application/json' -H "webhook-id: $ID" -H "webhook-timestamp: $TIME" -H "webhook-signature: v1,$SIGNATURE" -d "$BODY"`,
  ].join('\n')
}
