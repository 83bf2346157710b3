// Package schemas holds the JSON Schemas (2020-12) of every tool's arguments
// and answers, as files: what is on disk is what the server serves and checks
// against. They are generated from package tools: run make generate.
package schemas

import "embed"

//go:embed *.json
var files embed.FS

// Input returns the schema of the tool's arguments.
func Input(tool string) ([]byte, error) { return files.ReadFile(tool + ".input.json") }

// Output returns the schema of the tool's structured answer.
func Output(tool string) ([]byte, error) { return files.ReadFile(tool + ".output.json") }
