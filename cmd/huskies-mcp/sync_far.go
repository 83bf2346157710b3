package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"

	"github.com/huskies/huskies-mcp/internal/phrase"
)

// farSide is a pipeline in another folder, on this machine or on another one. It is reached by the commands
// that a person would give there.
type farSide struct {
	// name is what the person called it.
	name string
	// host is the machine, "" for this one.
	host string
	// dir is the folder there.
	dir string
	// ssh is the program that runs a command on the host, with its arguments.
	ssh  []string
	opts *options
}

// quotedWords parts a command at its blanks, but for those between single or double quotes. A backslash is
// a character like any other, as in a path of Windows.
func quotedWords(command string) (words []string, err error) {
	var word strings.Builder
	begun, quote := false, rune(0)
	end := func() {
		if begun {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	for _, r := range command {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, begun = r, true
		case quote == 0 && unicode.IsSpace(r):
			end()
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a %c has no second one in %s", quote, command)
	}
	end()
	return words, nil
}

// newFarSide reads the argument of sync: HOST:DIR, or DIR. As for scp, a colon behind a slash is a part of DIR.
func newFarSide(arg, ssh string, opts *options) (*farSide, error) {
	program, err := quotedWords(ssh)
	if err != nil {
		return nil, fmt.Errorf("--ssh: %w", err)
	}
	far := &farSide{name: arg, dir: arg, ssh: program, opts: opts}
	if i := colon(arg); i >= 0 {
		far.host, far.dir = arg[:i], arg[i+1:]
		switch {
		case far.host == "":
			return nil, fmt.Errorf("%q has no host before the colon: give HOST:DIR, or ./DIR for a folder on this machine", arg)
		case strings.HasPrefix(far.host, "-"):
			return nil, fmt.Errorf("the host %q begins with -, which ssh would take for an option: give a name of ~/.ssh/config, or USER@HOST", far.host)
		case len(far.ssh) == 0:
			return nil, errors.New("--ssh is empty: give a program with its arguments, such as --ssh 'ssh -p 2222'")
		}
		// The command begins in the home folder.
		if far.dir == "~" {
			far.dir = "."
		}
		far.dir = strings.TrimPrefix(far.dir, "~/")
		if strings.HasPrefix(far.dir, "-") {
			far.dir = "./" + far.dir
		}
	}
	if far.dir == "" {
		return nil, fmt.Errorf("%q names no folder: give the project's, such as HOST:project; HOST:. is the home folder", arg)
	}
	if strings.ContainsFunc(arg, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, fmt.Errorf("%q has a control character in it: give HOST:DIR, or DIR", arg)
	}
	return far, nil
}

// colon returns where the colon behind a host is, -1 if there is no host.
func colon(arg string) int {
	i := strings.IndexByte(arg, ':')
	if strings.HasPrefix(arg, "[") { // an IPv6 address
		if end := strings.Index(arg, "]:"); end >= 0 {
			return end + 1
		}
	}
	switch {
	case i < 0, strings.ContainsAny(arg[:i], `/\`):
		return -1
	case runtime.GOOS == "windows" && i == 1: // a drive
		return -1
	}
	return i
}

// farOutput is what a command of the far side printed.
type farOutput struct{ stdout, stderr string }

// run runs huskies-mcp with arguments on the far side and returns what it printed. Standard output goes to
// out unless that is nil. An error says what went wrong there in its words.
func (far *farSide) run(ctx context.Context, in io.Reader, out io.Writer, args ...string) (farOutput, error) {
	var stdout, stderr bytes.Buffer
	if out == nil {
		out = &stdout
	}
	if in == nil {
		in = strings.NewReader("")
	}
	var err error
	if far.host == "" {
		err = far.here(ctx, in, out, &stderr, args)
	} else {
		err = far.there(ctx, in, out, &stderr, args)
	}
	var there *farError
	if errors.As(err, &there) {
		err = fmt.Errorf("huskies-mcp %s at %s: %w", args[0], phrase.Line(far.name), err)
		if there.isOlder() {
			err = fmt.Errorf("%w. It seems to be older than this one: bring it up to date", err)
		}
	}
	return farOutput{stdout.String(), stderr.String()}, err
}

// farError is the error of a command of the far side.
type farError struct{ text string }

func (e *farError) Error() string { return e.text }

// isOlder reports whether the error is that of a build which does not know a command or a flag.
func (e *farError) isOlder() bool {
	for _, said := range []string{"unknown flag", "unknown command", "there is no command", "--since: parse"} {
		if strings.Contains(e.text, said) {
			return true
		}
	}
	return false
}

// here runs a command in another folder of this machine, as a process that was started there would.
func (far *farSide) here(ctx context.Context, in io.Reader, out, stderr io.Writer, args []string) error {
	dir, err := filepath.Abs(far.dir)
	if err != nil {
		return err
	}
	cmd := rootCommand(&options{getenv: far.getenv, getwd: func() (string, error) { return dir, nil }})
	cmd.SetArgs(args)
	cmd.SetIn(in)
	cmd.SetOut(out)
	cmd.SetErr(stderr)
	if err := cmd.ExecuteContext(ctx); err != nil {
		return &farError{errorText(err)}
	}
	return nil
}

// getenv returns a variable, but none that names the pipeline of this side.
func (far *farSide) getenv(name string) string {
	if name == "HUSKIES_DB" || name == "CLAUDE_PROJECT_DIR" {
		return ""
	}
	return far.opts.getenv(name)
}

// Exit codes of the script that runs on the other machine.
const (
	exitNoFolder  = 93
	exitNoProgram = 94
	// exitSSH is that of ssh itself (ssh(1)).
	exitSSH = 255
)

// farScript runs huskies-mcp in a folder. A shell that ssh starts often does not know the folders in which people
// have programs of their own.
var farScript = fmt.Sprintf(`cd -- "$1" >/dev/null 2>&1 || exit %d; shift; unset HUSKIES_DB CLAUDE_PROJECT_DIR; `+
	`PATH=$PATH:$HOME/go/bin:$HOME/.local/bin:/usr/local/bin; export PATH; `+
	`command -v huskies-mcp >/dev/null 2>&1 || exit %d; exec huskies-mcp "$@"`, exitNoFolder, exitNoProgram)

// there runs a command on another machine.
func (far *farSide) there(ctx context.Context, in io.Reader, out, stderr io.Writer, args []string) error {
	words := append([]string{"sh", "-c", farScript, "sh", far.dir}, args...)
	for i := range words {
		words[i] = shellWord(words[i])
	}
	argv := append(far.ssh[1:len(far.ssh):len(far.ssh)], far.host, strings.Join(words, " "))
	cmd := exec.CommandContext(ctx, far.ssh[0], argv...)
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, io.MultiWriter(stderr, &said)
	cmd.WaitDelay = interruptGrace // what ssh has started may go on after it
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.As(err, &exit):
		return fmt.Errorf("%s cannot be started: %w: install OpenSSH, or name another program with --ssh", far.ssh[0], err)
	}
	switch exit.ExitCode() {
	case exitNoFolder:
		return fmt.Errorf("there is no folder %s on %s: give the project's, from the home folder or from /", phrase.Line(far.dir), far.host)
	case exitNoProgram:
		return fmt.Errorf("huskies-mcp is not installed on %s, or not on the PATH of a command that ssh runs: install it there, for instance in ~/.local/bin", far.host)
	case exitSSH:
		return fmt.Errorf("%s to %s failed: %s: see that %s works", far.ssh[0], far.host, lastLine(said.String()), strings.Join(append(far.ssh[:len(far.ssh):len(far.ssh)], far.host, "true"), " "))
	}
	return &farError{strings.TrimPrefix(lastLine(said.String()), "huskies-mcp: ")}
}

// shellWord returns a word as any shell of Unix takes it.
func shellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// lastLine returns the last line of what a program said, which is its error.
func lastLine(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if last := phrase.Line(lines[len(lines)-1]); last != "" {
		return last
	}
	return "it said nothing"
}
