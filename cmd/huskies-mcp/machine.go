package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// machine names this machine for the home of a key: always the same, and unlike
// any other's. It is a keyed hash, since machine-id(5) asks that the ID itself
// goes nowhere. Without an ID, as in many containers, it is empty.
func machine() string { return hashMachineID(machineID()) }

// hashMachineID takes an ID of 32 hex digits, with or without hyphens. All else
// is none, such as "uninitialized" on a first boot.
func hashMachineID(id string) string {
	id = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(id), "-", ""))
	if b, err := hex.DecodeString(id); err != nil || len(b) != 16 || strings.Trim(id, "0") == "" {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(id))
	mac.Write([]byte("huskies-mcp: home of a key"))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
