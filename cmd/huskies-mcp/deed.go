package main

import (
	"bufio"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/terminal"
)

// deed is a person's change of one story, under the rules that hold for agents.
type deed struct {
	// name is what the person calls the story.
	name string
	// asks reports whether a story that somebody else holds is changed only after a question.
	asks bool
	// force answers the question with yes.
	force bool
	// claims reports whether the doer has the story afterwards, so that a hub is asked first.
	claims bool
	// find returns the story. It is nil for a story that can be seen.
	find func(v *replica.View, name string) (pipeline.Story, error)
	// prepare is called with the story before it is changed, when the person may change it. check is
	// called with the story as it is when it is changed. Both may be nil, and their errors end the deed.
	prepare, check func(st pipeline.Story) error
	// takeOver is done before do when the doer overrides a holder. It may be nil.
	takeOver func(tx *pipeline.Tx, by doer) error
	// do changes the story.
	do func(tx *pipeline.Tx, by doer) error
	// said returns what happened, as a line without the story's name.
	said func(before, after pipeline.Story) string
}

// doer is the one who does a deed.
type doer struct {
	env   *environment
	agent string
	story string // its ID
	// overrides reports whether the doer was told who holds the story and goes on.
	overrides bool
	rev       crdt.OpID // of the story that the doer was told of
	// reserved is what a hub keeps for the doer. It may be none.
	reserved pipeline.Reservation
}

// caller returns the doer as the rules of the pipeline know callers. Whoever overrides a holder says
// which state of the story was seen, and why it is changed.
func (by *doer) caller(first bool) pipeline.Caller {
	c := pipeline.Caller{Session: by.env.session.ID(), Name: by.agent, Shared: by.reserved.Story != "", Reserved: by.reserved}
	if by.overrides && first { // what comes next is about the story as the first step left it
		c.Rev, c.Reason = by.rev.String(), "a person decided so"
	}
	return c
}

// addForce adds the flag that answers the question of a deed.
func (d *deed) addForce(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&d.force, "force", false, "do it although an agent holds the story, without a question")
}

// run does the deed and says so in a line.
func (d *deed) run(cmd *cobra.Command, opts *options) error {
	return withReplica(cmd, *opts, func(env *environment) error {
		if err := env.mayWrite(cmd); err != nil {
			return err
		}
		by := doer{env: env, agent: env.agent}
		if by.agent == "" {
			return fmt.Errorf("%s acts in a name, and none is known: give --agent NAME, or set HUSKIES_AGENT", cmd.CommandPath())
		}
		before, err := d.story(cmd, env)
		if err != nil {
			return err
		}
		by.story, by.rev = before.ID, before.Rev
		if d.asks {
			if by.overrides, err = d.override(cmd, by.agent, &before, newScreen(cmd, opts.getenv)); err != nil {
				return err
			}
		}
		if d.prepare != nil {
			if err := d.prepare(before); err != nil {
				return err
			}
		}
		if d.claims {
			if by.reserved, err = env.reserveFor(cmd.Context(), before.ID, by.agent); err != nil {
				return err
			}
		}
		warnings, err := d.write(cmd, by)
		if err != nil {
			return err
		}
		after := pipeline.Story{ID: before.ID, Deleted: true}
		err = env.replica.View(cmd.Context(), func(v *replica.View) error {
			if st, err := v.Story(before.ID); err == nil {
				after = st
			}
			return v.Err()
		})
		if err != nil {
			return err
		}
		env.warn(cmd, warnings)
		return printText(cmd, phrase.Line(before.ID+" "+d.said(before, after))+"\n")
	})
}

// story returns the story as it is before the deed.
func (d *deed) story(cmd *cobra.Command, env *environment) (st pipeline.Story, err error) {
	find := d.find
	if find == nil {
		find = func(v *replica.View, name string) (pipeline.Story, error) {
			id, err := terminal.Resolve(v, name)
			if err != nil {
				return pipeline.Story{}, err
			}
			return v.Story(id)
		}
	}
	err = env.view(cmd, func(v *replica.View) (err error) {
		st, err = find(v, d.name)
		return err
	})
	return st, err
}

// override asks whether to change a story that somebody else holds. It reports false if nobody does. The
// error says that the person does not want to, or cannot be asked.
func (d *deed) override(cmd *cobra.Command, agent string, st *pipeline.Story, screen terminal.Screen) (bool, error) {
	holder := terminal.Holder(screen, st)
	if holder == "" {
		return false, nil
	}
	if st.Agent == agent { // it is the doer's own, unless a live session of the same name holds it
		return d.force, nil
	}
	if d.force {
		return true, nil
	}
	question := fmt.Sprintf("%s is held by %s.", st.ID, holder)
	if _, ok := terminalOf(cmd.InOrStdin()); !ok {
		return false, errors.New(question + " Nothing was changed. --force changes it all the same")
	}
	fmt.Fprint(cmd.ErrOrStderr(), printable(question)+" Change it all the same? [y/N] ")
	answer, err := bufio.NewReader(answers{cmd}).ReadString('\n')
	if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr())
		return false, errors.New("nobody answered, so nothing was changed: --force changes it all the same")
	}
	if !isYes(answer) {
		return false, errors.New("nothing was changed")
	}
	return true, nil
}

// write changes the story, in one transaction.
func (d *deed) write(cmd *cobra.Command, by doer) (warnings []pipeline.Fact, err error) {
	steps := []func(*pipeline.Tx, doer) error{d.do}
	if by.overrides && d.takeOver != nil {
		steps = []func(*pipeline.Tx, doer) error{d.takeOver, d.do}
	}
	err = by.env.replica.UpdateAll(cmd.Context(), by.agent, func(s *pipeline.State) (changes []func(*pipeline.Tx) error, _ error) {
		warnings = nil
		if d.check != nil {
			now, err := s.Story(by.story)
			if err == nil {
				err = d.check(now)
			}
			if err != nil {
				return nil, err
			}
		}
		for i, step := range steps {
			changes = append(changes, func(tx *pipeline.Tx) error {
				tx.By(by.caller(i == 0))
				err := step(tx, by)
				warnings = append(warnings, tx.Warnings()...)
				return err
			})
		}
		return changes, nil
	})
	return warnings, err
}
