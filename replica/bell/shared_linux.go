package bell

import (
	"slices"

	"golang.org/x/sys/unix"
)

// sharedTypes are the file systems whose files other machines may change, by statfs(2). FUSE is
// among them because the folders that virtual machines share with their host are mounted by it.
var sharedTypes = []uint32{
	unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC,
	unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.CODA_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC,
	unix.CEPH_SUPER_MAGIC, unix.NCP_SUPER_MAGIC, unix.OCFS2_SUPER_MAGIC,
	0x786F4256, // VirtualBox shared folders
	0xBACBACBC, // VMware shared folders
	0x7C7C6673, // Parallels shared folders
	0x0BD00BD0, // Lustre
	0x01161970, // GFS2
	0x47504653, // GPFS
	0x19830326, // BeeGFS
}

// shared reports whether the path is on a file system whose files other machines may change.
func shared(path string) (bool, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return false, err
	}
	return slices.Contains(sharedTypes, uint32(fs.Type)), nil
}
