package main

import (
	"errors"
	"fmt"

	"github.com/huskies/huskies-mcp/internal/locate"
)

// placeOf returns where the search for the database begins.
func placeOf(getenv func(string) string, wd string) locate.Place {
	return locate.Place{Getenv: getenv, Dir: wd, Home: locate.HomeFolder(getenv)}
}

// withName adds to the error about a database that the search does not use how to use it.
func withName(err error) error {
	var unused *locate.NotUsed
	if errors.As(err, &unused) {
		return fmt.Errorf("%w: %s", err, nameIt(unused))
	}
	return err
}

// nameIt says how to use a database that the search does not use.
func nameIt(unused *locate.NotUsed) string {
	if unused.Link {
		return "to use the database that it leads to, give --db " + quoted(unused.Path)
	}
	return "to use it all the same, give --db " + quoted(unused.Path)
}
