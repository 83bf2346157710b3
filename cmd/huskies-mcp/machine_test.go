package main

import "testing"

// TestMachineID: what is no ID names no machine, and one ID names one machine
// however it is spelt.
func TestMachineID(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	want := hashMachineID(id)
	if len(want) != 32 || want == id {
		t.Errorf("%s became %q, want 32 other digits", id, want)
	}
	for _, same := range []string{id + "\n", "01234567-89AB-CDEF-0123-456789ABCDEF"} {
		if got := hashMachineID(same); got != want {
			t.Errorf("%q became %q, want %q", same, got, want)
		}
	}
	if got := hashMachineID("1123456789abcdef0123456789abcdef"); got == want {
		t.Error("two machines have one name")
	}
	for _, none := range []string{"", "\n", "uninitialized\n", id[1:], id + "00", "00000000000000000000000000000000"} {
		if got := hashMachineID(none); got != "" {
			t.Errorf("%q became %q, want none", none, got)
		}
	}
	if a, b := machine(), machine(); a != b {
		t.Errorf("this machine is %q and %q", a, b)
	}
}
