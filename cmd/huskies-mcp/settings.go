package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/cmdline"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/terminal"
)

func settingsCommand(opts *options) *cobra.Command {
	var unset, asJSON bool
	cmd := &cobra.Command{
		Use:   "settings [SETTING [VALUE]]",
		Short: "Show or change the settings of the pipeline",
		Long: `Show the settings of the pipeline: what is set, the default, and who set it
when. With a name, show that setting alone. With a value, set it for everybody
who works on the pipeline, on other machines too once they have the change.
--unset clears it.

  max_retries      the retry count at which a story is blocked, 0 for never
  limit.2_current  how many stories may be claimed in the stage at a time
  limit.3_qa       the same
  limit.4_merge    the same: 1 has merges done one after the other
  lease_grace      how long a claim outlives its session, such as 5m

The flags --max-retries and --lease-grace win in their own process.`,
		Example: `  huskies-mcp settings
  huskies-mcp settings limit.4_merge 1
  huskies-mcp settings --unset limit.4_merge`,
		Args: cmdline.AtMost(2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return pipeline.SettingNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if unset && len(args) != 1 {
				return fmt.Errorf("--unset clears one setting: give its name alone, such as %s --unset %s", cmd.CommandPath(), pipeline.NameMaxRetries)
			}
			if len(args) == 2 && strings.TrimSpace(args[1]) == "" {
				return fmt.Errorf("the value is empty: %s --unset %s clears the setting", cmd.CommandPath(), args[0])
			}
			return withReplica(cmd, *opts, func(env *environment) error {
				switch {
				case unset:
					return env.set(cmd, args[0], "")
				case len(args) == 2:
					return env.set(cmd, args[0], valueOf(args[0], args[1]))
				}
				return env.printSettings(cmd, newScreen(cmd, opts.getenv), args, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&unset, "unset", false, "clear the setting, so that the default counts")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

// valueOf returns a setting's value in the form in which it is kept, without days and weeks in a duration.
func valueOf(name, value string) string {
	if d, ok := pipeline.ParseDuration(value); ok && name == pipeline.NameLeaseGrace {
		return pipeline.SpellDuration(d)
	}
	return value
}

// printSettings prints all settings, or the one that args names.
func (env *environment) printSettings(cmd *cobra.Command, screen terminal.Screen, args []string, asJSON bool) error {
	all := terminal.NoSettings()
	if env.exists() {
		err := env.replica.View(cmd.Context(), func(v *replica.View) (err error) {
			all, err = terminal.ReadSettings(v)
			return err
		})
		if err != nil {
			return err
		}
	}
	if len(args) > 0 {
		var err error
		if all, err = all.Only(args[0]); err != nil {
			return err
		}
	}
	if asJSON {
		text, err := all.JSON()
		return printJSON(cmd, text, err)
	}
	return printText(cmd, all.Text(screen))
}

// set writes a setting, or clears it if the value is empty, and says so.
func (env *environment) set(cmd *cobra.Command, name, value string) error {
	if value == "" && !env.exists() {
		return env.errNoPipeline()
	}
	if err := env.mayWrite(cmd); err != nil {
		return err
	}
	if env.agent == "" {
		return errors.New("a setting is signed with a name, and none is known: give --agent NAME, or set HUSKIES_AGENT")
	}
	defer env.noteBeginning(cmd)()
	changed := false
	_, err := env.replica.Update(cmd.Context(), env.agent, func(tx *pipeline.Tx) (err error) {
		changed, err = tx.SetSetting(name, value)
		return err
	})
	if err != nil {
		return err
	}
	var is terminal.Settings
	err = env.replica.View(cmd.Context(), func(v *replica.View) (err error) {
		is, err = terminal.ReadSettings(v)
		if err == nil {
			is, err = is.Only(name)
		}
		return err
	})
	if err != nil {
		return err
	}
	text := name + " is not set"
	if counts := is[0].Counts(); counts != "" {
		text = name + " is " + counts
	}
	if !changed {
		text += " already"
	} else if value == "" && is[0].Default != "" {
		text += " again, the default"
	}
	return printText(cmd, phrase.Line(text)+"\n")
}

// overridden returns the settings of the pipeline that flags or variables of this process override, with
// what counts here.
func (env *environment) overridden() [][2]string {
	var all [][2]string
	if env.maxRetries != nil {
		all = append(all, [2]string{pipeline.NameMaxRetries, strconv.FormatInt(*env.maxRetries, 10)})
	}
	if env.leaseGrace > 0 {
		all = append(all, [2]string{pipeline.NameLeaseGrace, env.leaseGrace.String()})
	}
	return all
}
