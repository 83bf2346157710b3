package doctor

import "golang.org/x/sys/unix"

// fuse is the kind of file systems that a program of any kind provides.
const fuse = unix.FUSE_SUPER_MAGIC

// fileSystems names those of which statfs(2) says that other machines may have
// them too: flock and shared memory do not reach across.
var fileSystems = map[uint32]string{
	unix.NFS_SUPER_MAGIC:   "NFS",
	unix.SMB_SUPER_MAGIC:   "SMB",
	unix.SMB2_SUPER_MAGIC:  "SMB",
	unix.CIFS_SUPER_MAGIC:  "SMB (CIFS)",
	unix.V9FS_MAGIC:        "9P, as between a virtual machine or WSL and its host",
	unix.AFS_SUPER_MAGIC:   "AFS",
	unix.AFS_FS_MAGIC:      "AFS",
	unix.CODA_SUPER_MAGIC:  "Coda",
	unix.NCP_SUPER_MAGIC:   "NCP",
	unix.CEPH_SUPER_MAGIC:  "Ceph",
	unix.OCFS2_SUPER_MAGIC: "OCFS2",
}

// disk is what a folder is on.
type disk struct {
	kind uint32 // as in fileSystems
	free int64  // bytes that we may use
}

func diskOf(folder string) (disk, bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return disk{}, false
	}
	return disk{uint32(st.Type), int64(st.Bavail) * int64(st.Bsize)}, true
}
