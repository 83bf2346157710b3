// Package vfstest stands between SQLite and the disk in tests, and is imported
// by tests alone.
//
// It is a shim over SQLite's unix VFS (https://sqlite.org/vfs.html). So what is
// watched is what the real code does, on real files. What fails is what a system
// call can let fail. [Watch] puts a [Handler] between SQLite and the databases
// in one folder. A [Recorder] lists what is done. A [Disk] tells what of that is
// there after a power cut. An [Injector] lets calls fail, before their work is
// done or after it. Handlers stand one behind the other by [Chain].
//
// Only on Linux: elsewhere the package has nothing but TempDir.
package vfstest
