package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/hosts"
	"github.com/huskies/huskies-mcp/internal/phrase"
)

// initFlags are the flags of init.
type initFlags struct {
	hosts    []string
	yes      bool
	dryRun   bool
	force    bool
	remove   bool
	hooks    bool
	agentsMD bool
}

func initCommand(opts *options) *cobra.Command {
	var flags initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Tell the agents' hosts of this project to start huskies-mcp",
		Long: `Put an entry for huskies-mcp into the project's configuration files of the agent
hosts. The changes are shown as a diff, and init asks before it writes them.

Without --host, init takes the hosts that are in use: those whose files or
folders are in the project and those whose programs are on PATH. --host NAME
picks a host and can be given several times. The names are
` + strings.Join(initHosts(), ", ") + `.
Copilot CLI reads the file of claude.

Only files of the project are written. Every other byte of a file stays as it
is. .huskies/init.json remembers what was put in, so that init --remove can
restore the files exactly. In a clone, which has no such memory, init --remove
takes out the entries, and removes a file in which nothing else stands. A file
that cannot be edited safely is refused: then nothing at all is changed and the
exit code is 1. A second init changes nothing. --dry-run shows the changes and
makes none. The exit code is 1 then if there are any.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := newSetup(*opts, flags)
			if err != nil {
				return err
			}
			return s.run(answers{cmd}, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringArrayVar(&flags.hosts, "host", nil, "a host to set up; can be given several times")
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "write without asking")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "show what would be changed, and change nothing")
	cmd.MarkFlagsMutuallyExclusive("yes", "dry-run")
	cmd.Flags().BoolVar(&flags.force, "force", false, "replace an entry named huskies that starts something else")
	cmd.Flags().BoolVar(&flags.remove, "remove", false, "take out again what init put in")
	cmd.Flags().BoolVar(&flags.hooks, "hooks", false, "also let hosts run huskies-mcp context when a session starts")
	cmd.Flags().BoolVar(&flags.agentsMD, "agents-md", false, "also put a short block about the pipeline into AGENTS.md")
	_ = cmd.RegisterFlagCompletionFunc("host", cobra.FixedCompletions(initHosts(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// initHosts returns the names of the hosts that init can set up.
func initHosts() (names []string) {
	for _, h := range hosts.All {
		if h.New != "" {
			names = append(names, h.ID)
		}
	}
	return names
}

// run shows the changes, asks, and makes them.
func (s *setup) run(stdin io.Reader, stdout io.Writer) error {
	if err := s.plan(); err != nil {
		return err
	}
	if _, err := io.WriteString(stdout, s.preview()); err != nil {
		return err
	}
	if s.flags.dryRun && len(s.changes) > 0 {
		return fmt.Errorf("%s would be changed, and nothing was", phrase.Count(len(s.changes), "file", "files"))
	}
	if len(s.changes) == 0 {
		if s.flags.remove && !s.flags.dryRun {
			return s.saveLedger() // what it remembered is gone already
		}
		return nil
	}
	if !s.flags.yes {
		if err := confirm(stdin, stdout, "Change "+phrase.Count(len(s.changes), "file", "files")+"? [y/N] "); err != nil {
			return err
		}
	}
	done, err := s.write()
	if err != nil {
		return err
	}
	_, err = io.WriteString(stdout, printable(done+s.takeNotes()+s.afterwards()))
	return err
}

// preview shows the changes and what there is to say of them.
func (s *setup) preview() string {
	var b strings.Builder
	if len(s.changes) > 0 {
		b.WriteString(printable("The project is "+s.project) + "\n")
	}
	for _, c := range s.changes {
		b.WriteString(c.diff())
	}
	b.WriteString(s.takeNotes())
	if len(s.changes) == 0 {
		b.WriteString("Nothing is to be changed.\n")
	}
	return b.String()
}

// takeNotes returns the notes that were not shown yet, one a line.
func (s *setup) takeNotes() string {
	var b strings.Builder
	for _, note := range s.notes {
		b.WriteString(printable("note: "+note) + "\n")
	}
	s.notes = nil
	return b.String()
}

// confirm asks a question of which anything but yes is a refusal.
func confirm(stdin io.Reader, stdout io.Writer, question string) error {
	if _, err := io.WriteString(stdout, question); err != nil {
		return err
	}
	answer, err := bufio.NewReader(stdin).ReadString('\n')
	if errors.Is(err, io.EOF) && answer == "" {
		_, _ = io.WriteString(stdout, "\n") // the question ends its line
		return errors.New("nobody answered, so nothing was changed: give --yes to change the files without a question")
	}
	if !isYes(answer) {
		return errors.New("nothing was changed")
	}
	return nil
}

// afterwards says what a person has still to do.
func (s *setup) afterwards() string {
	if s.flags.remove {
		return ""
	}
	var b strings.Builder
	b.WriteString("\nBefore the server starts:\n")
	for _, h := range s.hosts {
		b.WriteString("- " + h.Trust + "\n")
		if h.Hook != nil && s.flags.hooks && h.Hook.Trust != "" {
			b.WriteString("- " + h.Hook.Trust + "\n")
		}
		for _, other := range readersInUse(h, s.project) {
			b.WriteString("- " + other.Trust + "\n")
		}
	}
	if _, err := exec.LookPath(programName); err != nil {
		fmt.Fprintf(&b, "\n%s is not on PATH, and hosts start it by this name. This one is %s.\n", programName, ownPath())
	}
	b.WriteString(s.byHand())
	return b.String()
}

// byHand says how to set up hosts for all projects of a user, first those that have
// no files in a project.
func (s *setup) byHand() string {
	var b strings.Builder
	for i := range hosts.All {
		h := &hosts.All[i]
		if len(h.Project) > 0 || len(s.flags.hosts) > 0 || !inUse(h, s.project) {
			continue
		}
		fmt.Fprintf(&b, "\n%s has no files in a project. To set it up for all projects: %s\n", h.Name, forAllProjects(h))
	}
	heading := "\nTo set up a host for all your projects instead:\n"
	for _, h := range s.hosts {
		if h.UserCommand != "" {
			b.WriteString(heading + "- " + h.Name + ": " + h.UserCommand + "\n")
			heading = ""
		}
	}
	return b.String()
}

// forAllProjects says how to set up a host by the user's own files.
func forAllProjects(h *hosts.Host) string {
	if h.UserCommand != "" {
		return h.UserCommand
	}
	return "add to ~/" + h.User[0].Folder + "/" + h.User[0].Name + ": " + strings.TrimSpace(h.Snippet())
}
