package main

import "os"

// machineID reads the ID of the system: machine-id(5), and where there is no
// systemd, D-Bus's own. The first that is one counts: of a cloned system the
// second may be left over from the original.
func machineID() string {
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if b, err := os.ReadFile(path); err == nil && hashMachineID(string(b)) != "" {
			return string(b)
		}
	}
	return ""
}
