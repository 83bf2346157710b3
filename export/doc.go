// Package export writes whole stories as JSON, CSV or Markdown: work taken out of a pipeline, for
// people and for other tools. Package intake reads all three back to the same stories.
//
// The package is pure: stories in, bytes out. What a story has only within its pipeline is left
// out: its history, its claim, and whether it is ready.
//
// # Markdown
//
// All stories stand in one file, which a reader sees as headings, lists and texts. Comments part
// it, each on a line of its own:
//
//	<!-- huskies:export -->
//	<!-- huskies:story 10_story_add_login -->
//	## Add login
//
//	- stage: 1_backlog
//	- depends_on: 3, 4
//
//	<!-- huskies:description -->
//	Users sign in.
//	<!-- huskies:note 2026-01-02T03:04:05Z coder-1 -->
//	The callback is missing.
//
// A line of a text that begins with "<!-- huskies:" gets a backslash before it, and so does one that
// begins with such backslashes. A value that a line cannot hold as it is stands there as a JSON
// string.
package export
