package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
)

func editCommand(opts *options) *cobra.Command {
	d := deed{asks: true}
	cmd := &cobra.Command{
		Use:   "edit STORY",
		Short: "Edit the description of a story in your editor",
		Long: `Open the description of a story in the editor that VISUAL or EDITOR names, and
write it when the editor ends. The editor may have arguments, such as
EDITOR="code --wait". If somebody else changed the description meanwhile,
nothing is written, and your text is kept in a file.`,
		Args:              oneStory,
		ValidArgsFunction: completeStories(opts),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.name = args[0]
			var e edit
			d.prepare = func(before pipeline.Story) (err error) {
				e, err = editText(cmd, opts.getenv, before)
				return err
			}
			d.check = func(now pipeline.Story) error {
				if now.Description != e.before {
					return errors.New("somebody else changed the description meanwhile, so nothing was written")
				}
				return nil
			}
			d.do = func(tx *pipeline.Tx, by doer) error {
				_, _, err := tx.Write(by.story, pipeline.Changes{Description: &e.after})
				return err
			}
			d.said = func(before, _ pipeline.Story) string {
				if e.before == e.after {
					return "is as it was"
				}
				return "has a new description"
			}
			err := d.run(cmd, opts)
			return e.finish(err)
		},
	}
	d.addForce(cmd)
	return cmd
}

// edit is one edit of a description.
type edit struct {
	before, after string
	file          string // holds the text; "": there is none
}

// editText lets a person edit the description of a story.
func editText(cmd *cobra.Command, getenv func(string) string, st pipeline.Story) (e edit, err error) {
	e.before = st.Description
	editor := editorOf(getenv)
	if editor == "" {
		if _, ok := terminalOf(cmd.InOrStdin()); !ok {
			return e, errors.New("there is no terminal for an editor: set EDITOR to a program, or write the text with huskies-mcp call write_item. Nothing was changed")
		}
		editor = "vi"
	}
	f, err := os.CreateTemp("", "huskies-"+phrase.Label(st.ID)+"-*.md")
	if err != nil {
		return e, err
	}
	e.file = f.Name()
	_, err = f.WriteString(e.before)
	if err = errors.Join(err, f.Close()); err != nil {
		return e, err
	}
	words, err := editorWords(editor, e.file)
	if err != nil {
		return e, err
	}
	run := exec.CommandContext(cmd.Context(), words[0], words[1:]...)
	run.Stdin, run.Stdout, run.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	failed := run.Run()
	text, err := os.ReadFile(e.file)
	e.after = string(text)
	if e.after == e.before+"\n" { // editors end the last line
		e.after = e.before
	}
	if failed != nil {
		return e, fmt.Errorf("the editor %s: %w: nothing was written", phrase.Line(editor), failed)
	}
	return e, err
}

// editorWords returns the program that opens a file in an editor, with its arguments. An editor that is
// the name of a program is that program, also with blanks in the name. Any other is what a shell takes
// as the beginning of a command (environ(7)), as git has it. Windows has no such shell: there quoted
// words are parted at blanks.
func editorWords(editor, file string) ([]string, error) {
	if program, err := exec.LookPath(editor); err == nil {
		return []string{program, file}, nil
	}
	if runtime.GOOS != "windows" {
		return []string{"sh", "-c", editor + ` "$@"`, editor, file}, nil
	}
	words, err := quotedWords(editor)
	if err != nil {
		return nil, fmt.Errorf("VISUAL or EDITOR: %w", err)
	}
	return append(words, file), nil
}

// editorOf returns the person's editor, with arguments, "" if none is named.
func editorOf(getenv func(string) string) string {
	for _, variable := range []string{"VISUAL", "EDITOR"} {
		if editor := getenv(variable); strings.TrimSpace(editor) != "" {
			return editor
		}
	}
	return ""
}

// finish removes the file, or says where it is if a text in it was not written.
func (e *edit) finish(err error) error {
	if e.file == "" {
		return err
	}
	if err != nil && e.after != "" && e.after != e.before {
		return fmt.Errorf("%w; your text is in %s", err, e.file)
	}
	return errors.Join(err, os.Remove(e.file))
}
