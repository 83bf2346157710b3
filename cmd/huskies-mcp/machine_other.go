//go:build !linux && !darwin && !windows

package main

// machineID is not known here.
func machineID() string { return "" }
