// Package dbfile has what one SQLite file needs that several processes share: how it is opened and
// with which settings, the lock by which processes queue to write to it, what stands beside it, and
// errors that say what a person can do.
//
// A [File] is one process's access to a database: one connection that may write and up to four that
// read. A [Lock] is the right to write.
//
// Every file is opened as a plain file. A link, a device or a named pipe in the place of a file of
// ours is refused, since a folder with a database may come from anywhere.
package dbfile
