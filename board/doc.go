// Package board shows a pipeline in a browser, live, and lets a person work in it.
//
// A [Board] is a handler of HTTP. The first answer of each page is whole: it has the cards. From then on
// the page follows one stream of server-sent events (HTML Living Standard, section 9.2), so it needs no
// reload. A page without JavaScript works too: each change is a form.
//
// # One reader
//
// [Board.Run] is the only part that follows the pipeline, with one [replica.Replica.Wait] for any number of
// pages. It reads what changed, renders each changed card once, and gives the message to all streams. Each
// stream has a buffer of a few messages. A stream that does not keep up is cut; its page connects again and
// is told what it missed, or that it must read anew. While nobody looks, the reader sleeps. Nothing here
// takes the write lock but a person's change.
//
// # Who gets in
//
// The address that the command prints holds a token, which lets one browser in, once. From then on the
// browser has a cookie that this project's secret has signed. A request must name a host that is known,
// against DNS rebinding. A request that changes something must come from a page of the same host, and must
// bear the token of that browser's forms. Texts of stories are never HTML: templates escape them, Markdown is
// rendered without raw HTML and then cleaned, and the policy of the pages (CSP) forbids everything inline.
//
// # Files
//
// board.go wires; door.go lets in; reader.go, hub.go and stream.go are the live part; glance.go, card.go,
// agents.go and needs.go read what the page of the board shows; story.go and activity.go are the other
// pages; graph.go and graph_draw.go draw the dependencies of a story;
// chart.go, chart_read.go and chart_draw.go are the charts; deed.go and deeds.go change stories.
// The pages are in pages, the stylesheet and the script in static.
//
// A Board is safe for concurrent use.
package board
