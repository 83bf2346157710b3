// Package terminal prints the pipeline for people and for the hooks of agent hosts.
//
// The functions Read... read what there is to print, within one [replica.View]. The types that they
// return hold plain data. Their methods print that data for a [Screen] and depend on nothing else:
// neither on a clock nor on the environment. So what is printed can be tested at any width, with
// colours and without.
//
// Texts of stories come from anybody. Nothing of them reaches the output that could drive a
// terminal, turn the direction of writing or hide from a reader, see [Line] and [Text].
package terminal
