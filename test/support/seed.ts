import fc from 'fast-check'

// One seed for everybody, so that a red build is red again; another one by hand with ASSAY_SEED. Failures print it.
const seed = Number(process.env['ASSAY_SEED'] ?? 20261120)
fc.configureGlobal({ seed })
