package main

import (
	"errors"
	"os/exec"
	"runtime"
	"strings"
)

// openBrowser opens an address in the person's browser, without a shell. It does not wait for the browser.
func openBrowser(getenv func(string) string, address string) error {
	command := browserCommand(runtime.GOOS, getenv("BROWSER"), address)
	if _, err := exec.LookPath(command[0]); err != nil {
		return errors.New(command[0] + " is not there")
	}
	browser := exec.Command(command[0], command[1:]...)
	if err := browser.Start(); err != nil {
		return err
	}
	go func() { _ = browser.Wait() }() // its end is not ours to judge
	return nil
}

// browserCommand returns what opens an address on a system. BROWSER is a command with arguments, of which %s
// stands for the address; several have colons between, and the first counts.
func browserCommand(system, browser, address string) []string {
	if first, _, _ := strings.Cut(browser, ":"); system != "windows" && strings.TrimSpace(first) != "" {
		words := strings.Fields(first)
		if !strings.Contains(first, "%s") {
			return append(words, address)
		}
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "%s", address)
		}
		return words
	}
	switch system {
	case "darwin":
		return []string{"open", address}
	case "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler", address}
	}
	return []string{"xdg-open", address}
}
