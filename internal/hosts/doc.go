// Package hosts knows the agent hosts: the programs that start MCP servers, such
// as Claude Code and Codex.
//
// A host is one row of the table All. The row says in which files the host looks
// for servers, in which format and under which key, and what an entry looks like.
// It says how the host expands variables, which names it accepts, how long it
// waits, and whether it reads files of other hosts. Reading such files, expanding
// variables and writing entries follow the rows. No other code knows a host by
// its name.
//
// The facts come from the hosts' documentation and sources. A comment beside a
// fact names its source where the fact is surprising. A fact that nobody has
// confirmed is marked "not confirmed".
//
// The package reads no environment and starts no program. The caller passes the
// home folder and the environment in.
package hosts
