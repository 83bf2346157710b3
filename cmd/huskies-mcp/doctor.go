package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
)

func doctorCommand(opts *options) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what is in use, whom it trusts, and what is wrong with it",
		Long: `Look at the pipeline's file, key, trust list and ops, and print a finding a line:
"ok", "note" for what one may want to know, "wrong" for what a person should mend,
with what to do. The exit code is 1 if anything is wrong. Nothing is changed, but a
file of an older build is brought up to date.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("log-level") {
				opts.logLevel = "error+4" // the findings say it in other words
			}
			env, err := newEnvironment(cmd, *opts)
			if err != nil {
				return err
			}
			defer env.replica.Close()
			e := &examination{out: cmd.OutOrStdout(), env: env}
			e.run(cmd)
			if e.wrong > 0 {
				return errors.New(count(e.wrong, "thing is wrong", "things are wrong"))
			}
			return nil
		},
	}
}

// examination is one run of doctor.
type examination struct {
	out   io.Writer
	env   *environment
	wrong int
}

func (e *examination) ok(format string, args ...any) {
	fmt.Fprintf(e.out, "ok     %s\n", printable(fmt.Sprintf(format, args...)))
}

func (e *examination) note(next, format string, args ...any) {
	fmt.Fprintf(e.out, "note   %s\n       what to do: %s\n", printable(fmt.Sprintf(format, args...)), printable(next))
}

func (e *examination) bad(next, format string, args ...any) {
	e.wrong++
	fmt.Fprintf(e.out, "wrong  %s\n       what to do: %s\n", printable(fmt.Sprintf(format, args...)), printable(next))
}

func (e *examination) run(cmd *cobra.Command) {
	path := e.env.where.Path
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		e.ok("database: none yet at %s (%s); the first write creates it", path, e.env.where.Why)
		return
	}
	e.ok("database: %s (%s)", path, e.env.where.Why)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		e.bad("chmod 600 "+path+"*", "modes: others can read the file, which holds the replica's private key")
	}
	own, err := e.env.replica.Identities(cmd.Context())
	if err != nil {
		e.broken(err)
		return
	}
	if len(own) == 0 {
		e.ok("database: the file is empty; the first write makes a pipeline of it")
		return
	}
	e.identities(own)
	e.pipeline(cmd)
}

// identities says who signs here, and who did elsewhere.
func (e *examination) identities(own []oplog.Identity) {
	present := false
	for _, id := range own {
		if id.Present {
			present = true
			e.ok("identity: %s", id.Author)
		} else {
			e.ok("identity: formerly %s, %s", id.Author, home(id))
		}
	}
	if !present {
		e.note("huskies-mcp identity prints the key that it will have: add it to the lists of other replicas (trust add)",
			"identity: the database was moved or copied here; a copy gets a key of its own with the first write")
	}
}

// broken reports an error of the storage.
func (e *examination) broken(err error) {
	next := "mend what the error says"
	var storage *oplog.Error
	if errors.As(err, &storage) {
		next = storage.Next
	}
	e.bad(next, "%v", err)
}

// pipeline looks at what is in the database.
func (e *examination) pipeline(cmd *cobra.Command) {
	trusted, err := e.env.replica.Trusted(cmd.Context())
	if err == nil {
		err = e.env.replica.View(cmd.Context(), func(s *pipeline.State) error {
			doc := s.Doc()
			if len(trusted) == 0 {
				e.ok("trust: no author is listed: " + everyoneTrusted)
			} else {
				e.ok("trust: ops of %s and of this replica are applied", count(len(trusted), "author", "authors"))
			}
			e.ok("ops: %d applied, %s", doc.Len(), count(doc.StoryCount(), "story", "stories"))
			if n := doc.HeldLen(); n > 0 {
				e.note("trust their authors (huskies-mcp log --json names them), or leave them", "held: %s of authors who are not trusted", count(n, "op is", "ops are"))
			}
			if n := doc.PendingLen(); n > 0 {
				e.note("import a bundle that has what they build on; if rows of the database were lost, restore a backup", "pending: %s for others that are not here", count(n, "op waits", "ops wait"))
			}
			if n := doc.AssumedLen(); n > 0 {
				e.bad("import a bundle from a replica that has the ops, or restore a backup", "damage: %s of the database cannot be read", count(n, "row", "rows"))
			}
			for _, ids := range s.SharedNumbers() {
				e.note("rename nothing; let new stories take unused numbers, and know that what depends on the number waits for all of them", "numbers: one number is that of %q", ids)
			}
			return nil
		})
	}
	if err != nil {
		e.broken(err)
	}
}
