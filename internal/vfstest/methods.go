//go:build linux

package vfstest

import (
	"os"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// The methods of SQLite's VFS and files that the shim takes over.
type (
	openMethod     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	deleteMethod   = func(tls *libc.TLS, vfs, name uintptr, syncFolder int32) int32
	accessMethod   = func(tls *libc.TLS, vfs, name uintptr, flags int32, out uintptr) int32
	closeMethod    = func(tls *libc.TLS, file uintptr) int32
	readMethod     = func(tls *libc.TLS, file, data uintptr, size int32, offset int64) int32
	writeMethod    = readMethod
	truncateMethod = func(tls *libc.TLS, file uintptr, size int64) int32
	syncMethod     = func(tls *libc.TLS, file uintptr, flags int32) int32
	sizeMethod     = func(tls *libc.TLS, file, out uintptr) int32
	lockMethod     = func(tls *libc.TLS, file uintptr, level int32) int32
	shmMapMethod   = func(tls *libc.TLS, file uintptr, region, size, extend int32, out uintptr) int32
	shmLockMethod  = func(tls *libc.TLS, file uintptr, offset, n, flags int32) int32
)

func xOpen(tls *libc.TLS, _, name, file uintptr, flags int32, outFlags uintptr) int32 {
	do := func() int32 {
		return (*method[openMethod](&shim.unix.FxOpen))(tls, unixAddress(), name, file, flags, outFlags)
	}
	w, base := find(name)
	const kinds = sqlite3.SQLITE_OPEN_MAIN_DB | sqlite3.SQLITE_OPEN_MAIN_JOURNAL | sqlite3.SQLITE_OPEN_WAL
	if w == nil || flags&kinds == 0 {
		return do()
	}
	_, missing := os.Stat(libc.GoString(name))
	c := &Call{Kind: Open, Role: roleOf(base), Name: base}
	opened := false
	rc := w.handle(c, func() int32 {
		rc := do()
		if opened = rc == sqlite3.SQLITE_OK; opened {
			c.File, c.First = w.number(base)
			c.Created = c.First && missing != nil
		}
		return rc
	})
	methods := &at[sqlite3.Tsqlite3_file](file).FpMethods
	switch {
	case !opened:
		*methods = 0
	case rc != sqlite3.SQLITE_OK: // it took effect: the file is there, and nobody has it open
		_ = (*method[closeMethod](&at[sqlite3.Tsqlite3_io_methods](*methods).FxClose))(tls, file)
		*methods = 0
	default:
		f := &openFile{
			watch:      w,
			call:       Call{Role: c.Role, Name: base, File: c.File},
			real:       at[sqlite3.Tsqlite3_io_methods](*methods),
			syncFolder: flags&sqlite3.SQLITE_OPEN_CREATE != 0 && c.Role != Database,
		}
		shim.mu.Lock()
		defer shim.mu.Unlock()
		shim.open[file] = f
		*methods = ourMethods(tls, *methods)
	}
	return rc
}

// ourMethods returns the address of the shim's methods in place of those at the
// address. The caller holds the shim's mu.
func ourMethods(tls *libc.TLS, real uintptr) uintptr {
	if address, ok := shim.methods[real]; ok {
		return address
	}
	address, ours := copyOf(tls, at[sqlite3.Tsqlite3_io_methods](real))
	*method[closeMethod](&ours.FxClose) = xClose
	*method[readMethod](&ours.FxRead) = xRead
	*method[writeMethod](&ours.FxWrite) = xWrite
	*method[truncateMethod](&ours.FxTruncate) = xTruncate
	*method[syncMethod](&ours.FxSync) = xSync
	*method[sizeMethod](&ours.FxFileSize) = xFileSize
	*method[lockMethod](&ours.FxLock) = xLock
	*method[shmMapMethod](&ours.FxShmMap) = xShmMap
	*method[shmLockMethod](&ours.FxShmLock) = xShmLock
	shim.methods[real] = address
	return address
}

func xDelete(tls *libc.TLS, _, name uintptr, syncFolder int32) int32 {
	do := func() int32 {
		return (*method[deleteMethod](&shim.unix.FxDelete))(tls, unixAddress(), name, syncFolder)
	}
	w, base := find(name)
	if w == nil {
		return do()
	}
	shim.mu.Lock()
	c := &Call{Kind: Delete, Role: roleOf(base), Name: base, File: w.numbers[base], Folder: syncFolder != 0}
	shim.mu.Unlock()
	return w.handle(c, func() int32 {
		rc := do()
		if rc == sqlite3.SQLITE_OK {
			shim.mu.Lock()
			defer shim.mu.Unlock()
			delete(w.numbers, base)
		}
		return rc
	})
}

func xAccess(tls *libc.TLS, _, name uintptr, flags int32, out uintptr) int32 {
	do := func() int32 {
		return (*method[accessMethod](&shim.unix.FxAccess))(tls, unixAddress(), name, flags, out)
	}
	w, base := find(name)
	if w == nil {
		return do()
	}
	return w.handle(&Call{Kind: Access, Role: roleOf(base), Name: base}, do)
}

// opened is the open file at SQLite's address.
func opened(file uintptr) *openFile {
	shim.mu.Lock()
	defer shim.mu.Unlock()
	return shim.open[file]
}

// handle has the file's handler answer c.
func (f *openFile) handle(kind Kind, c Call, do func(c *Call) int32) int32 {
	c.Kind, c.Name, c.File = kind, f.call.Name, f.call.File
	if c.Role != Shm {
		c.Role = f.call.Role
	}
	return f.watch.handle(&c, func() int32 { return do(&c) })
}

func xClose(tls *libc.TLS, file uintptr) int32 {
	shim.mu.Lock()
	f := shim.open[file]
	delete(shim.open, file)
	shim.mu.Unlock()
	return (*method[closeMethod](&f.real.FxClose))(tls, file)
}

func xRead(tls *libc.TLS, file, data uintptr, size int32, offset int64) int32 {
	f := opened(file)
	return f.handle(Read, Call{Offset: offset}, func(*Call) int32 {
		return (*method[readMethod](&f.real.FxRead))(tls, file, data, size, offset)
	})
}

func xWrite(tls *libc.TLS, file, data uintptr, size int32, offset int64) int32 {
	f := opened(file)
	return f.handle(Write, Call{Offset: offset, Data: unsafe.Slice(at[byte](data), size)}, func(c *Call) int32 {
		return (*method[writeMethod](&f.real.FxWrite))(tls, file, data, int32(len(c.Data)), offset)
	})
}

func xTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	f := opened(file)
	return f.handle(Truncate, Call{Offset: size}, func(*Call) int32 {
		return (*method[truncateMethod](&f.real.FxTruncate))(tls, file, size)
	})
}

func xSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	f := opened(file)
	return f.handle(Sync, Call{Folder: f.syncFolder}, func(*Call) int32 {
		rc := (*method[syncMethod](&f.real.FxSync))(tls, file, flags)
		if rc == sqlite3.SQLITE_OK {
			f.syncFolder = false
		}
		return rc
	})
}

func xFileSize(tls *libc.TLS, file, out uintptr) int32 {
	f := opened(file)
	return f.handle(Size, Call{}, func(*Call) int32 {
		return (*method[sizeMethod](&f.real.FxFileSize))(tls, file, out)
	})
}

func xLock(tls *libc.TLS, file uintptr, level int32) int32 {
	f := opened(file)
	return f.handle(Lock, Call{}, func(*Call) int32 {
		return (*method[lockMethod](&f.real.FxLock))(tls, file, level)
	})
}

func xShmMap(tls *libc.TLS, file uintptr, region, size, extend int32, out uintptr) int32 {
	f := opened(file)
	return f.handle(ShmMap, Call{Role: Shm}, func(*Call) int32 {
		return (*method[shmMapMethod](&f.real.FxShmMap))(tls, file, region, size, extend, out)
	})
}

func xShmLock(tls *libc.TLS, file uintptr, offset, n, flags int32) int32 {
	f := opened(file)
	do := func(*Call) int32 {
		return (*method[shmLockMethod](&f.real.FxShmLock))(tls, file, offset, n, flags)
	}
	if flags&sqlite3.SQLITE_SHM_UNLOCK != 0 {
		return do(nil)
	}
	return f.handle(ShmLock, Call{Role: Shm}, do)
}
