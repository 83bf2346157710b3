package main

import (
	"encoding/hex"
	"unsafe"

	"golang.org/x/sys/unix"
)

// machineID returns the UUID of the hardware by gethostuuid(2). The sysctl
// kern.uuid is not it: that names the build of the kernel.
func machineID() string {
	var id [16]byte
	wait := unix.Timespec{Sec: 1}
	_, _, errno := unix.Syscall(unix.SYS_GETHOSTUUID, uintptr(unsafe.Pointer(&id)), uintptr(unsafe.Pointer(&wait)), 0)
	if errno != 0 {
		return ""
	}
	return hex.EncodeToString(id[:])
}
