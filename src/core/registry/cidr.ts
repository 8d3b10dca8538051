import * as z from 'zod'

const network = z.union([z.cidrv4(), z.cidrv6()])
const address4 = z.ipv4()
const address6 = z.ipv6()

/** A network like 192.0.2.0/24 or 2001:db8::/32; an address alone is a network of one. */
export const cidr = z.string().transform((text, context) => {
  if (network.safeParse(text).success) return text.toLowerCase()
  if (address4.safeParse(text).success) return `${text}/32`
  if (address6.safeParse(text).success) return `${text.toLowerCase()}/128`
  context.addIssue('a network like 192.0.2.0/24 or 2001:db8::/32')
  return z.NEVER
})
