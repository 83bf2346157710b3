package bell

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// shared reports whether the path is on a drive whose files other machines may change.
func shared(path string) (bool, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return false, err
	}
	root, err := windows.UTF16PtrFromString(filepath.VolumeName(path) + `\`)
	if err != nil {
		return false, err
	}
	return windows.GetDriveType(root) == windows.DRIVE_REMOTE, nil
}
