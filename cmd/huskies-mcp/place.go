package main

import (
	"errors"
	"fmt"

	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/internal/phrase"
)

// placeOf returns where the search for the database begins.
func placeOf(getenv func(string) string, wd string) locate.Place {
	return locate.Place{Getenv: getenv, Dir: wd, Home: locate.HomeFolder(getenv)}
}

// withName adds to the error about a database that the search does not use how to use it.
func withName(err error) error {
	var unused *locate.NotUsed
	if errors.As(err, &unused) {
		return fmt.Errorf("%w: %s", err, phrase.NameIt(unused))
	}
	return err
}
