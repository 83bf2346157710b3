// Package tools puts the pipeline on the Model Context Protocol: one file a
// tool, each with its arguments, its answer and its handler.
//
// A tool's arguments and answer are Go structs. Their JSON Schemas are generated
// from the structs into package schemas, and the schema served is the schema
// arguments are checked against. A wrapper common to all tools reads the
// arguments. It corrects what models get wrong but mean well ("42" for 42), and
// refuses the rest in plain words. It turns the handler's answer into structured
// content with the same compact JSON as text. Errors that the caller can mend
// are results with isError set, since models rarely see protocol errors.
package tools
