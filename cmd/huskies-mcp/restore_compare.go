package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/backups"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// comparison is a backup beside the pipeline as it is now.
type comparison struct {
	backups.Backup
	// OnlyNow are the ops that the backup lacks, and OnlyThen those that only the backup has.
	OnlyNow, OnlyThen int
	// Unreadable says that the backup cannot be read.
	Unreadable bool
}

func (c *comparison) same() bool { return !c.Unreadable && c.OnlyNow+c.OnlyThen == 0 }

// compare compares backups with the pipeline as it is now.
func (r *restoring) compare(all []backups.Backup) []comparison {
	ctx := r.cmd.Context()
	now := opIDs(ctx, r.env.where.Path)
	var compared []comparison
	for _, b := range all {
		then := opIDs(ctx, b.Path)
		c := comparison{Backup: b, Unreadable: then == nil}
		c.OnlyNow, c.OnlyThen = onlyIn(now, then), onlyIn(then, now)
		compared = append(compared, c)
	}
	return compared
}

// onlyIn counts the ops of a that are not in b.
func onlyIn(a, b map[crdt.OpID]bool) (n int) {
	for id := range a {
		if !b[id] {
			n++
		}
	}
	return n
}

// printBackups prints two lines for each backup: what is known of it, and the name of its file. The
// numbers are for an answer to a question. They change with every backup, so nothing else takes them.
func printBackups(w io.Writer, folder *backups.Folder, all []comparison, numbers bool) {
	fmt.Fprintf(w, "Backups of %s in %s:\n", printable(folder.Database), printable(folder.Path))
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for i, c := range all {
		number := ""
		if numbers {
			number = fmt.Sprintf("%3d\t", i+1)
		}
		stories := "?"
		if c.Stories >= 0 {
			stories = phrase.Count(int(c.Stories), "story", "stories")
		}
		fmt.Fprintf(table, "%s%s\t%s ago\t%s\t%s\t%s\t%s\n", number, c.Made.Local().Format("2006-01-02 15:04:05"), phrase.Span(time.Since(c.Made)),
			phrase.Bytes(c.Size), phrase.Count(int(c.Ops), "op", "ops"), stories, c.differs())
	}
	_ = table.Flush()
	i := 0
	for line := range strings.Lines(text.String()) {
		fmt.Fprintf(w, "%s     %s\n", line, printable(filepath.Base(all[i].Path)))
		i++
	}
}

// differs says in what the backup differs from now.
func (c *comparison) differs() string {
	switch {
	case c.Unreadable:
		return "cannot be read"
	case c.same():
		return "as now"
	case c.OnlyThen == 0:
		return "lacks " + phrase.Count(c.OnlyNow, "op", "ops")
	case c.OnlyNow == 0:
		return "has " + phrase.Count(c.OnlyThen, "more op", "more ops")
	}
	return fmt.Sprintf("lacks %s, has %s", phrase.Count(c.OnlyNow, "op", "ops"), phrase.Count(c.OnlyThen, "other", "others"))
}

// describeBackup names a backup in a sentence.
func describeBackup(b backups.Backup) string {
	text := b.Made.Local().Format("2006-01-02 15:04") + " with " + phrase.Count(int(b.Ops), "op", "ops")
	if b.Stories >= 0 {
		text += " and " + phrase.Count(int(b.Stories), "story", "stories")
	}
	return text
}

// whatChanges says how old the copy is, and what a restore of it takes out, brings back and changes. It
// also returns how many ops are taken out.
func (r *restoring) whatChanges(part string) (text string, takenOut int, err error) {
	ctx := r.cmd.Context()
	now, then := opIDs(ctx, r.env.where.Path), opIDs(ctx, part)
	takenOut = onlyIn(now, then)
	var b strings.Builder
	after, err := readStories(ctx, replica.New(replica.Config{Path: part, Now: time.Now, Logger: slog.New(slog.DiscardHandler), ReadOnly: true}))
	if err != nil {
		return "", 0, err
	}
	fmt.Fprintf(&b, "The last change in the backup is from %s.\n", ago(after.last))
	fmt.Fprintf(&b, "To be taken out: %s. To come back: %s.\n", phrase.Count(takenOut, "op", "ops"), phrase.Count(onlyIn(then, now), "op", "ops"))
	before, err := readStories(ctx, replica.New(replica.Config{Path: r.env.where.Path, Now: time.Now, Logger: slog.New(slog.DiscardHandler), ReadOnly: true}))
	if err != nil {
		fmt.Fprintf(&b, "Which stories differ cannot be told, since the pipeline cannot be read: %v\n", err)
		return b.String(), takenOut, nil
	}
	var out, back, changed []string
	for _, s := range before.stories {
		if then, ok := after.rev[s.id]; !ok {
			out = append(out, s.line())
		} else if then != s.rev {
			changed = append(changed, s.line())
		}
	}
	for _, s := range after.stories {
		if _, ok := before.rev[s.id]; !ok {
			back = append(back, s.line())
		}
	}
	writeStories(&b, "taken out", out)
	writeStories(&b, "to come back", back)
	writeStories(&b, "to be as before", changed)
	return b.String(), takenOut, nil
}

// ago returns a time with how long ago it is.
func ago(t time.Time) string {
	if !pipeline.KnownTime(t) {
		return "an unknown time"
	}
	return t.Local().Format("2006-01-02 15:04") + ", " + phrase.Span(max(0, time.Since(t))) + " ago"
}

// maxDiffered bounds the stories of each kind that are named.
const maxDiffered = 10

func writeStories(b *strings.Builder, what string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "%s %s:\n", phrase.Count(len(lines), "story", "stories"), what)
	for _, line := range lines[:min(maxDiffered, len(lines))] {
		fmt.Fprintf(b, "  %s\n", line)
	}
	if more := len(lines) - maxDiffered; more > 0 {
		fmt.Fprintf(b, "  and %d more\n", more)
	}
}

// storyLine is what is said of a story that differs.
type storyLine struct {
	id, name string
	rev      crdt.OpID
}

func (s *storyLine) line() string { return strings.TrimSpace(s.id + " " + phrase.Line(s.name)) }

// storyList are the stories of a pipeline, in the order of their IDs, and the ops that changed them last.
type storyList struct {
	stories []storyLine
	rev     map[string]crdt.OpID
	// last is when the newest op was written, by its author's clock.
	last time.Time
}

// readStories reads the stories of a pipeline and closes it.
func readStories(ctx context.Context, from *replica.Replica) (list storyList, err error) {
	defer from.Close()
	err = from.View(ctx, func(v *replica.View) error {
		list = storyList{rev: make(map[string]crdt.OpID)}
		for _, id := range v.IDs("", math.MaxInt32) {
			st, err := v.Story(id)
			if err != nil {
				return err
			}
			list.stories = append(list.stories, storyLine{id, st.Name, st.Rev})
			list.rev[id] = st.Rev
		}
		latest, err := v.Latest(1)
		for _, e := range latest {
			list.last = pipeline.TimeOf(e.Op.At)
		}
		return errors.Join(err, v.Err())
	})
	return list, err
}
