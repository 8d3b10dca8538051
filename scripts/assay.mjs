// The one way in from a clone: prepare what is missing, then run the built program.
import './ready.mjs'

await import('../dist/src/bin/assay.js')
