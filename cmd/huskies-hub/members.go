package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func membersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "members DIR",
		Short: "Print the machines that may connect, and those that were removed",
		Args:  oneFolder,
		RunE:  func(cmd *cobra.Command, args []string) error { return listMembers(cmd, folder(args[0])) },
	}
	remove := &cobra.Command{
		Use:   "remove DIR KEY",
		Short: "Let a machine in no more: by its name, its key, or 8 or more of the key's first digits",
		Long: `Let a machine in no more. Its connection is cut within a second. What it wrote stays.
It cannot come back without another invitation.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return removeMember(cmd, folder(args[0]), args[1]) },
	}
	cmd.AddCommand(remove)
	return cmd
}

func listMembers(cmd *cobra.Command, d folder) error {
	if _, err := d.open(); err != nil {
		return err
	}
	l, err := d.lists()
	if err != nil {
		return err
	}
	if len(l.members) == 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "no machine is a member yet: let one in with huskies-hub invite %s\n", d)
		return nil
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, m := range l.members {
		state := "since " + m.AdmittedAt.Format(time.RFC3339)
		if m.RemovedAt != nil {
			state = "removed " + m.RemovedAt.Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", printable(m.Name), m.Author, state)
	}
	return table.Flush()
}

// minKey is how many digits of a key name a member at least.
const minKey = 8

func removeMember(cmd *cobra.Command, d folder, key string) error {
	if _, err := d.open(); err != nil {
		return err
	}
	var removed member
	err := d.change(func(l *lists) error {
		var found []*member
		for i := range l.members {
			m := &l.members[i]
			if m.RemovedAt == nil && (m.Name == key || len(key) >= minKey && strings.HasPrefix(m.Author.String(), strings.ToLower(key))) {
				found = append(found, m)
			}
		}
		switch len(found) {
		case 0:
			return fmt.Errorf("no member is called %q: see huskies-hub members %s", key, d)
		case 1:
			now := time.Now().UTC().Truncate(time.Second)
			found[0].RemovedAt = &now
			removed = *found[0]
			return nil
		}
		return fmt.Errorf("%q may mean %d members: give %d or more of the first digits of the key, see huskies-hub members %s", key, len(found), minKey, d)
	})
	if err == nil {
		fmt.Fprintf(cmd.OutOrStdout(), "%s (%s) is let in no more\n", printable(removed.Name), removed.Author)
	}
	return err
}
