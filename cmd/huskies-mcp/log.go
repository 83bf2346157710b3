package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/terminal"
)

// logFlags are the flags of log.
type logFlags struct {
	story  string
	last   int
	since  string
	asJSON bool
	// conflicts asks for what was decided twice apart, in the place of ops.
	conflicts bool
}

// lastAtTerminal is how many ops log shows at a terminal unless it is told otherwise.
const lastAtTerminal = 100

func logCommand(opts *options) *cobra.Command {
	var flags logFlags
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Print the history: when, who, what changed",
		Long: `Print every op in the order in which it arrived: when it was written, its ID
(the item's rev), the story, who wrote it (agent, and author: the replica's key)
and what it changed. With --json, one object a line with all there is in the op.
At a terminal log prints the last 100 ops in words, without --json, and marks
those that have no effect: [held], since their author is not trusted, [pending],
since others are missing that they build on, or [refused]. --agent NAME prints
the ops of an agent alone.

--conflicts prints what was decided twice by machines that did not hear of each
other: stories made under one ID, values that were lost since another one
counts, and claims that another machine's claim has ended. The ID is that of the
op that was lost.`,
		Example: `  huskies-mcp log -n 20
  huskies-mcp log --since 2h --agent coder-1
  huskies-mcp log --story 12`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if flags.story == "" && cmd.Flags().Changed("story") { // as of a variable that is not set
				return errors.New("--story is empty: give the ID of a story, or leave --story out")
			}
			if flags.conflicts && cmd.Flags().Changed("agent") {
				return errors.New("--conflicts tells of all agents: leave --agent out")
			}
			since, err := sinceOf(flags.since, time.Now())
			if err != nil {
				return err
			}
			if flags.last < 0 {
				return fmt.Errorf("-n must be 0, for all, or more; got %d", flags.last)
			}
			return withReplica(cmd, *opts, func(env *environment) error {
				if !env.exists() {
					return env.errNoPipeline()
				}
				history := history{since: since, last: flags.last, story: flags.story}
				if cmd.Flags().Changed("agent") {
					history.agent = &opts.agent
				}
				if history.story, err = storyNamed(cmd, env, flags.story); err != nil {
					return err
				}
				if flags.conflicts {
					return history.printConflicts(cmd, env, flags.asJSON)
				}
				if _, ok := terminalOf(cmd.OutOrStdout()); ok && !flags.asJSON {
					if !cmd.Flags().Changed("last") {
						history.last = lastAtTerminal
					}
					return history.printWords(cmd, env, newScreen(cmd, opts.getenv))
				}
				return history.print(cmd, env, flags.asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&flags.story, "story", "", "only the history of the story with this ID or number")
	cmd.Flags().IntVarP(&flags.last, "last", "n", 0, "only the last so many ops, 0 for all")
	cmd.Flags().StringVar(&flags.since, "since", "", "only what was written since then: 2h, 3d, 1w, or a day such as 2026-03-04")
	cmd.Flags().BoolVar(&flags.asJSON, "json", false, "one JSON object a line")
	cmd.Flags().BoolVar(&flags.conflicts, "conflicts", false, "what was decided twice apart, and which of it was lost")
	_ = cmd.RegisterFlagCompletionFunc("story", completeStories(opts))
	return cmd
}

// sinceOf returns the time that --since means: so long ago, or a day. It is zero for an empty text.
func sinceOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, ok := pipeline.ParseDuration(text); ok && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since must be a time span such as 2h, 3d or 1w, or a day such as 2026-03-04; got %q", text)
}

// storyNamed returns the ID of the story that a name names, its number too. A name that cannot be
// resolved, as in a damaged database, is returned as it is: the log can still be read.
func storyNamed(cmd *cobra.Command, env *environment, name string) (id string, err error) {
	if _, ok := pipeline.NumberNamed(name); !ok {
		return name, nil
	}
	err = env.replica.View(cmd.Context(), func(v *replica.View) (err error) {
		id, err = v.Resolve(name)
		return err
	})
	var why *pipeline.Error
	switch {
	case errors.As(err, &why) && why.Code == pipeline.CodeSeveral:
		return "", err
	case err != nil:
		return name, nil
	}
	return id, nil
}

// history chooses ops of the log.
type history struct {
	story string  // its ID; "": all
	agent *string // nil: all
	since time.Time
	last  int // 0: all
}

// has reports whether the op is chosen, and whether it is about the story.
func (h *history) has(op *crdt.Op) (chosen, about bool) {
	about = h.story == "" || op.Story == h.story
	chosen = about && (h.agent == nil || op.Agent == *h.agent) && (h.since.IsZero() || op.At >= h.since.UnixMilli())
	return chosen, about
}

// each calls fn with the chosen ops, in the order in which they arrived, and whether each is the
// first about its story.
func (h *history) each(cmd *cobra.Command, env *environment, fn func(e replica.Entry, first bool) error) error {
	type chosen struct {
		replica.Entry
		first bool
	}
	var kept []chosen
	seen := map[string]bool{}
	found := h.story == ""
	err := env.replica.History(cmd.Context(), func(e replica.Entry) error {
		first := !seen[e.Op.Story]
		seen[e.Op.Story] = true
		is, about := h.has(e.Op)
		found = found || about
		switch {
		case !is:
			return nil
		case h.last == 0:
			return fn(e, first)
		case len(kept) == 2*h.last: // dropped so many at once, so that each op moves once
			kept = append(kept[:0], kept[h.last:]...)
		}
		kept = append(kept, chosen{e, first})
		return nil
	})
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("no op is about a story %q: huskies-mcp list --all shows all stories", h.story)
	}
	for _, e := range kept[max(0, len(kept)-h.last):] {
		if err := fn(e.Entry, e.first); err != nil {
			return err
		}
	}
	return nil
}

// print prints the chosen ops for scripts.
func (h *history) print(cmd *cobra.Command, env *environment, asJSON bool) error {
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	err := h.each(cmd, env, func(e replica.Entry, _ bool) error {
		if asJSON {
			return printEntry(cmd.OutOrStdout(), e)
		}
		return printOp(table, e.Op)
	})
	if err != nil {
		return err
	}
	return table.Flush()
}

// printWords prints the chosen ops for a person.
func (h *history) printWords(cmd *cobra.Command, env *environment, screen terminal.Screen) error {
	idle, err := env.notApplied(cmd)
	if err != nil {
		return err
	}
	var events []terminal.Event
	err = h.each(cmd, env, func(e replica.Entry, first bool) error {
		event := terminal.NewEvent(e.Op, phrase.Label(e.Op.Story), first)
		if kind, ok := idle[e.Op.ID]; ok {
			event.Mark = kind.String()
		}
		events = append(events, event)
		return nil
	})
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return printText(cmd, "There is no such change.\n")
	}
	return printText(cmd, terminal.History(screen, events))
}

// notApplied returns why ops of the log have no effect, by their IDs.
func (env *environment) notApplied(cmd *cobra.Command) (idle map[crdt.OpID]oplog.Kind, err error) {
	err = env.view(cmd, func(v *replica.View) (err error) {
		idle, err = v.NotApplied()
		return err
	})
	return idle, err
}

// printEntry writes all there is in the op, as one line of JSON.
func printEntry(w io.Writer, e replica.Entry) error {
	var line strings.Builder
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(newLogEntry(e)); err != nil {
		return err
	}
	_, err := io.WriteString(w, printable(line.String()))
	return err
}

// unknownTime stands where an op says no time, or one that cannot be written.
const unknownTime = "unknown"

// printOp writes one line. Text from ops is quoted where it is not plain, so
// that it cannot drive a terminal.
func printOp(w io.Writer, op *crdt.Op) error {
	agent := "-"
	if op.Agent != "" {
		agent = phrase.Word(op.Agent)
	}
	var changes []string
	for i := range op.Edits {
		changes = append(changes, describe(&op.Edits[i]))
	}
	_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s (%s)\t%s\n",
		cmp.Or(pipeline.FormatTime(pipeline.TimeOf(op.At)), unknownTime), op.ID.Short(), op.Story,
		agent, op.Author.Short(), strings.Join(changes, " "))
	return err
}

// describe says what an edit changes: stage=2_current, retry_count+1,
// depends_on+10, depends_on-10.
func describe(e *crdt.Edit) string {
	d := pipeline.Describe(e)
	switch {
	case d.Sign == 0:
		return d.Name
	case e.Kind == crdt.KindNote:
		d.Value = fmt.Sprintf("%q", d.Value)
	case d.Text:
		d.Value = phrase.Word(d.Value)
	}
	return fmt.Sprintf("%s%c%s", phrase.Word(d.Name), d.Sign, d.Value)
}

// logEntry is an op as log --json prints it.
type logEntry struct {
	OpID       crdt.OpID   `json:"op_id"`
	At         string      `json:"at,omitempty"`
	ReceivedAt string      `json:"received_at,omitempty"`
	Story      string      `json:"story_id"`
	Agent      string      `json:"agent,omitempty"`
	Author     crdt.Author `json:"author"`
	Seq        uint64      `json:"seq"`
	Parents    []crdt.OpID `json:"parents"`
	Edits      []logEdit   `json:"edits"`
	// Fence is an epoch and a revision, see [crdt.Fence].
	Fence string `json:"fence,omitempty"`
}

// logEdit has what its kind has: set and value (and over: the beginning of the ID of the op whose value
// it overwrites, "" if there was none), inc and by (and base), dep and
// value, note, or place: the op or the story whose place it follows, "" if none.
type logEdit struct {
	Kind  crdt.EditKind `json:"kind"`
	Set   string        `json:"set,omitempty"`
	Inc   string        `json:"inc,omitempty"`
	Dep   *uint32       `json:"dep,omitempty"`
	Note  string        `json:"note,omitempty"`
	Place *string       `json:"place,omitempty"`
	Value any           `json:"value,omitempty"`
	By    uint64        `json:"by,omitempty"`
	Base  *crdt.OpID    `json:"base,omitempty"`
	Over  *string       `json:"over,omitempty"`
}

func newLogEntry(e replica.Entry) logEntry {
	op := e.Op
	entry := logEntry{
		OpID:       op.ID,
		At:         pipeline.FormatExactTime(pipeline.TimeOf(op.At)),
		ReceivedAt: pipeline.FormatExactTime(e.ReceivedAt),
		Story:      op.Story,
		Agent:      op.Agent,
		Author:     op.Author,
		Seq:        op.Seq,
		Parents:    append([]crdt.OpID{}, op.Parents...),
	}
	if !op.Fence.IsZero() {
		entry.Fence = op.Fence.String()
	}
	for i := range op.Edits {
		entry.Edits = append(entry.Edits, newLogEdit(&op.Edits[i]))
	}
	return entry
}

func newLogEdit(e *crdt.Edit) logEdit {
	out := logEdit{Kind: e.Kind, By: e.By}
	switch e.Kind {
	case crdt.KindSet:
		out.Set = e.Field
		if e.Over.Said {
			over := e.Over.String()
			out.Over = &over
		}
	case crdt.KindInc:
		out.Inc = e.Field
		if !e.Base.IsZero() {
			out.Base = &e.Base
		}
	case crdt.KindDep:
		out.Dep = &e.Number
	case crdt.KindNote:
		out.Note = e.Value.Str()
		return out
	case crdt.KindPlace:
		out.Place = &e.Anchor
		if !e.Base.IsZero() {
			base := e.Base.String()
			out.Place = &base
		}
	}
	switch e.Value.Type() {
	case crdt.TypeString:
		out.Value = e.Value.Str()
	case crdt.TypeBool:
		out.Value = e.Value.Bool()
	case crdt.TypeInt:
		out.Value = e.Value.Int()
	}
	return out
}
