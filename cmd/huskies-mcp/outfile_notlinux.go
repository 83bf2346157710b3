//go:build !linux

package main

import (
	"errors"
	"os"
)

// namelessFile makes no file there: every file has a name from the start.
func namelessFile(string) (f *os.File, link func(path string) error, err error) {
	return nil, nil, errors.ErrUnsupported
}
