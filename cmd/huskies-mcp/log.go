package main

import (
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
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

func logCommand(opts *options) *cobra.Command {
	var story string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Print the history: when, who, what changed",
		Long: `Print every op in the order in which it arrived: when it was written, its ID (the
item's rev), the story, who wrote it (agent, and author: the replica's key) and
what it changed. With --json, one object a line with all there is in the op.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if story == "" && cmd.Flags().Changed("story") { // as of a variable that is not set
				return errors.New("--story is empty: give the ID of a story, or leave --story out")
			}
			return withReplica(cmd, *opts, func(env *environment) error {
				return printLog(cmd, env, story, asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&story, "story", "", "only the history of the story with this ID or number")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
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
	case errors.As(err, &why) && why.Code == pipeline.CodeInvalid: // several stories
		return "", err
	case err != nil:
		return name, nil
	}
	return id, nil
}

func printLog(cmd *cobra.Command, env *environment, story string, asJSON bool) error {
	if !env.exists() {
		return env.errNoPipeline()
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	var show func(replica.Entry) error
	if asJSON {
		show = func(e replica.Entry) error { return printEntry(cmd.OutOrStdout(), e) }
	} else {
		show = func(e replica.Entry) error { return printOp(table, e.Op) }
	}
	story, err := storyNamed(cmd, env, story)
	if err != nil {
		return err
	}
	found := story == ""
	err = env.replica.History(cmd.Context(), func(e replica.Entry) error {
		if story != "" && e.Op.Story != story {
			return nil
		}
		found = true
		return show(e)
	})
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("no op is about a story %q: see huskies-mcp call list_items", story)
	}
	return table.Flush()
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
		time.UnixMilli(op.At).UTC().Format(time.RFC3339), op.ID.Short(), op.Story,
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
	At         string      `json:"at"`
	ReceivedAt string      `json:"received_at"`
	Story      string      `json:"story_id"`
	Agent      string      `json:"agent,omitempty"`
	Author     crdt.Author `json:"author"`
	Seq        uint64      `json:"seq"`
	Parents    []crdt.OpID `json:"parents"`
	Edits      []logEdit   `json:"edits"`
}

// logEdit has what its kind has: set and value, inc and by (and base), dep and
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
}

func newLogEntry(e replica.Entry) logEntry {
	op := e.Op
	entry := logEntry{
		OpID:       op.ID,
		At:         time.UnixMilli(op.At).UTC().Format(time.RFC3339Nano),
		ReceivedAt: e.ReceivedAt.Format(time.RFC3339Nano),
		Story:      op.Story,
		Agent:      op.Agent,
		Author:     op.Author,
		Seq:        op.Seq,
		Parents:    append([]crdt.OpID{}, op.Parents...),
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
