import { _, type Ajv2020, type CodeKeywordDefinition, type KeywordCxt, Name, nil } from 'ajv/dist/2020.js'

/**
 * An issue names the outermost keyword that failed; why the branches in it failed, nobody reads. The library would
 * make an object for each of those failures, and in `contains` keep them all until the last item.
 */
export function checkFrugally(ajv: Ajv2020): Ajv2020 {
  // An account for the keywords `unevaluated…`, which are refused. Some schemas would throw over it.
  ajv.opts.unevaluated = false
  for (const keyword of ['anyOf', 'oneOf', 'contains', 'propertyNames']) {
    const definition = definitionOf(ajv, keyword)
    const { code } = definition
    definition.trackErrors = true
    definition.code = cxt => code(withQuietBranches(cxt))
  }
  definitionOf(ajv, '$ref').code = followInPlace
  definitionOf(ajv, 'multipleOf').code = divide
  return ajv
}

/** To be changed where it stands: the order of keywords decides which of them an issue names. */
function definitionOf(ajv: Ajv2020, keyword: string): CodeKeywordDefinition {
  const definition = ajv.getKeyword(keyword)
  if (typeof definition !== 'object' || !('code' in definition))
    throw new Error(`ajv no longer writes code for the keyword ${keyword}`)
  return definition
}

/** The library's names for the errors so far, and for how many they are. */
const errors = new Name('vErrors')
const count = new Name('errors')

function withQuietBranches(cxt: KeywordCxt): KeywordCxt {
  const checkBranch = cxt.subschema.bind(cxt)
  cxt.subschema = (branch, valid) => {
    const checked = checkBranch({ ...branch, createErrors: false }, valid)
    // Only how many were before counts, for none of them is read. `cxt.reset()` would keep those, and over hundreds
    // of branches the engine then takes seconds and hundreds of megabytes to optimise the code.
    cxt.gen.assign(errors, _`null`).assign(count, cxt.errsCount ?? _`0`)
    return checked
  }
  return cxt
}

/**
 * The library makes a function of a definition that holds references itself, and functions are not quiet. No
 * reference leads back to itself, so following them ends.
 */
function followInPlace(cxt: KeywordCxt): void {
  const { gen, it } = cxt
  const reference: string = cxt.schema
  const tokens = reference.split('/').slice(1)
  const target = tokens.reduce((schema, token) => schema[token], Object(it.schemaEnv.root.schema))
  const valid = gen.name('valid')
  cxt.subschema(
    {
      schema: target,
      dataTypes: [],
      schemaPath: nil,
      topSchemaRef: gen.scopeValue('schema', { ref: target }),
      errSchemaPath: reference,
    },
    valid,
  )
  cxt.ok(valid)
}

/** The library writes the quotient out as text and reads it again, which it does not survive from 10^21 on. */
function divide(cxt: KeywordCxt): void {
  const quotient = cxt.gen.const('quotient', _`${cxt.data} / ${cxt.schemaCode}`)
  cxt.pass(_`Number.isInteger(${quotient}) && Math.abs(${quotient}) < 1e21`)
}
