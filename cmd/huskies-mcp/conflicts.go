package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// decidedTwice is what was decided twice apart, as log --conflicts --json prints it.
type decidedTwice struct {
	// Kind is made_apart, claim or field.
	Kind  string `json:"kind"`
	Story string `json:"story_id"`
	// At is when it was found here. It is empty for a story that was made apart, of which no time is kept.
	At string `json:"at,omitempty"`
	// Field and Value are what was lost, Agent wrote it in the op Lost, and what By wrote in the op Won counts.
	Field string      `json:"field,omitempty"`
	Value *string     `json:"value,omitempty"`
	Agent string      `json:"agent,omitempty"`
	By    string      `json:"by,omitempty"`
	Lost  *crdt.OpID  `json:"lost,omitempty"`
	Won   *crdt.OpID  `json:"won,omitempty"`
	Made  []crdt.OpID `json:"made,omitempty"`

	words string
}

// maxConflicts bounds the fields of which values were lost that are printed.
const maxConflicts = 10_000

// conflicts returns what was decided twice apart, the last to be found last.
func (h *history) conflicts(v *replica.View) (all []decidedTwice) {
	for _, id := range v.IDs("", crdt.MaxStories) {
		made, apart := v.MadeApart(id)
		if !apart || h.story != "" && id != h.story || !h.since.IsZero() {
			continue
		}
		c := decidedTwice{Kind: "made_apart", Story: id, words: strings.Join(phrase.Warnings([]pipeline.Fact{made}), "")}
		for _, m := range made.Makers {
			c.Made = append(c.Made, m.By.Op)
		}
		all = append(all, c)
	}
	since := h.since
	if since.IsZero() {
		since = time.UnixMilli(0)
	}
	lost := v.Overwritten(h.story, since, cmp.Or(h.last, maxConflicts))
	for i := range slices.Backward(lost) {
		o := &lost[i]
		c := decidedTwice{
			Kind: "field", Story: o.Story, At: pipeline.FormatExactTime(pipeline.TimeOf(o.At)), Field: o.Field, Value: &o.Value,
			Agent: o.Agent, By: o.By, Lost: &o.Lost, Won: &o.Won, words: "lost: " + phrase.Overwritten(o),
		}
		if o.Field == pipeline.NameClaim {
			c.Kind, c.Value, c.Field = "claim", nil, ""
		}
		all = append(all, c)
	}
	if h.last > 0 {
		all = all[max(0, len(all)-h.last):]
	}
	return all
}

// printConflicts prints what was decided twice apart.
func (h *history) printConflicts(cmd *cobra.Command, env *environment, asJSON bool) error {
	var all []decidedTwice
	err := env.view(cmd, func(v *replica.View) error {
		all = h.conflicts(v)
		return v.Err()
	})
	if err != nil {
		return err
	}
	if _, ok := terminalOf(cmd.OutOrStdout()); ok && len(all) == 0 && !asJSON {
		return printText(cmd, "Nothing was decided twice.\n")
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for i := range all {
		c := &all[i]
		if asJSON {
			line, err := json.Marshal(c)
			if err != nil {
				return err
			}
			fmt.Fprintln(table, printable(string(line)))
			continue
		}
		by := "-"
		if c.Lost != nil {
			by = c.Lost.Short()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", cmp.Or(c.At, "-"), by, c.Story, printable(c.words))
	}
	return table.Flush()
}
