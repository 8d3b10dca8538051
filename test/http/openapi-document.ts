import { readFileSync } from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { parse } from 'yaml'
import * as z from 'zod'

/** docs/openapi.yaml, with every $ref replaced by what it names. */
export type ApiDocument = {
  readonly version: string
  readonly errorCodes: readonly string[]
  readonly operations: readonly Operation[]
}

export type Operation = {
  readonly id: string
  readonly tag: string
  readonly method: string
  readonly path: string
  readonly answers: ReadonlyMap<string, DocumentedAnswer>
}

export type DocumentedAnswer = {
  readonly headers: ReadonlyMap<string, { readonly required: boolean; readonly fits: ValidateFunction }>
  /** By media type. */
  readonly bodies: ReadonlyMap<string, { readonly schema: unknown; readonly fits: ValidateFunction }>
}

const header = z.strictObject({
  description: z.string(),
  required: z.boolean().default(false),
  schema: z.unknown(),
})
const media = z.strictObject({ schema: z.unknown() })
const answer = z.strictObject({
  description: z.string().min(1),
  headers: z.record(z.string(), header).default({}),
  content: z.record(z.string(), media),
})
const parameter = z.strictObject({
  name: z.string(),
  in: z.enum(['query', 'header', 'path']),
  required: z.boolean().optional(),
  description: z.string().optional(),
  schema: z.unknown(),
})
const operation = z.strictObject({
  operationId: z.string().regex(/^[a-zA-Z]+$/),
  tags: z.array(z.string()).length(1),
  summary: z.string().min(1),
  description: z.string().optional(),
  security: z.array(z.record(z.string(), z.array(z.string()))).optional(),
  parameters: z.array(parameter).default([]),
  requestBody: z.strictObject({ required: z.literal(true), content: z.record(z.string(), media) }).optional(),
  responses: z.record(z.string().regex(/^[1-5]\d\d$/), answer),
})
/** As much of OpenAPI 3.1 as this document uses; what else it might say is a mistake until it is added here. */
const document = z.strictObject({
  openapi: z.string().regex(/^3\.1\.\d$/),
  info: z.strictObject({
    title: z.string(),
    version: z.string(),
    license: z.strictObject({ name: z.string(), identifier: z.string() }),
    description: z.string(),
  }),
  servers: z.array(z.strictObject({ url: z.url(), description: z.string() })),
  security: z.array(z.never()),
  tags: z.array(z.strictObject({ name: z.string(), description: z.string() })),
  paths: z.record(
    z.string().startsWith('/'),
    z.partialRecord(z.enum(['get', 'post', 'put', 'patch', 'delete']), operation),
  ),
  components: z.looseObject({
    schemas: z.looseObject({
      Error: z.looseObject({
        properties: z.looseObject({ code: z.strictObject({ enum: z.array(z.string()) }) }),
      }),
    }),
  }),
})

export function readApiDocument(): ApiDocument {
  const text = readFileSync(new URL('../../docs/openapi.yaml', import.meta.url), 'utf8')
  // The document is ours, and repeats itself a lot.
  const yaml: unknown = parse(text, { maxAliasCount: 10_000 })
  const { info, paths, components, tags } = document.parse(inlined(yaml, yaml))
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([
        method,
        {
          operationId,
          responses,
          tags: [tag = ''],
        },
      ]) => {
        if (!tags.some(({ name }) => name === tag)) throw new Error(`${operationId} has an unknown tag`)
        return {
          id: operationId,
          tag,
          method: method.toUpperCase(),
          path,
          answers: new Map(Object.entries(responses).map(([status, each]) => [status, documented(each)])),
        }
      },
    ),
  )
  return { version: info.version, errorCodes: components.schemas.Error.properties.code.enum, operations }
}

const ajv = formats.default(new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true }))
ajv.addFormat('binary', true)

function documented({ headers, content }: z.output<typeof answer>): DocumentedAnswer {
  return {
    headers: new Map(
      Object.entries(headers).map(([name, { required, schema }]) => [
        name.toLowerCase(),
        { required, fits: ajv.compile(object(schema)) },
      ]),
    ),
    bodies: new Map(
      Object.entries(content).map(([type, { schema }]) => [
        type,
        { schema, fits: ajv.compile(object(schema)) },
      ]),
    ),
  }
}

/** Places of objects in a schema that take members which are not named. */
export function openObjects(schema: unknown, at = ''): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  const inside = Object.entries(schema).flatMap(([name, value]) => openObjects(value, `${at}/${name}`))
  const isClosed = 'additionalProperties' in schema || 'unevaluatedProperties' in schema
  const isOpen = 'type' in schema && schema.type === 'object' && !isClosed
  return isOpen ? [at, ...inside] : inside
}

function inlined(node: unknown, root: unknown): unknown {
  if (Array.isArray(node)) return node.map(each => inlined(each, root))
  if (typeof node !== 'object' || node === null) return node
  if ('$ref' in node) return inlined(at(root, String(node.$ref)), root)
  return Object.fromEntries(Object.entries(node).map(([name, value]) => [name, inlined(value, root)]))
}

function at(root: unknown, ref: string): unknown {
  if (!ref.startsWith('#/')) throw new Error(`${ref} is not in this document`)
  let node = root
  for (const name of ref.slice(2).split('/')) node = object(node)[name]
  if (node === undefined) throw new Error(`${ref} names nothing`)
  return node
}

function object(value: unknown): Record<string, unknown> {
  return z.record(z.string(), z.unknown()).parse(value)
}
