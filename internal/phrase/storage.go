package phrase

import (
	"fmt"

	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
	"github.com/huskies/huskies-mcp/replica"
)

// WhatToDo says what a person or an agent can do about a failure of the storage.
func WhatToDo(e *oplog.Error) string {
	switch remedy := remedyOf(e); {
	case e.Undone:
		return "nothing was written. " + remedy
	case e.Uncertain():
		return "read the item before you repeat the call: the change may have been made. " + remedy
	default:
		return remedy
	}
}

// remedyOf says what to do about an error, whatever is on disk.
func remedyOf(e *oplog.Error) string {
	switch e.Code {
	case dbfile.CodeLocked:
		who, find := "a process", fmt.Sprintf(": a person can find it with 'fuser %s'", e.Path)
		if e.Process != 0 {
			who, find = fmt.Sprintf("process %d", e.Process), ""
		}
		return fmt.Sprintf("nothing was written; repeat the call later. If it goes on, %s holds the lock and hangs or is stopped%s; 'huskies-mcp doctor' says more", who, find)
	case dbfile.CodeForbidden:
		if e.Folder != "" {
			return "check the permissions of the folder " + e.Folder + ", in which this user must be able to make files, then repeat the call"
		}
		return "check the permissions of " + e.Path + " and its folder, then repeat the call"
	case dbfile.CodeManyNames:
		return "nothing was written: find the other names with 'find FOLDER -samefile " + e.Path + "' and remove them, then repeat the call. A symbolic link or --db gives a database a second name without harm"
	case dbfile.CodeOtherOwner:
		return fmt.Sprintf("nothing was changed. If the pipeline is yours: sudo chown %d %s. To read what somebody gave you, copy it and give the copy's --db", e.User, e.Path)
	}
	return remedies[e.Code]
}

// ChangeKey says how a replica gets another key.
const ChangeKey = "to change the key: end all servers of the project, huskies-mcp backup FILE, which leaves the key out, remove the database and its -wal and -shm files, and move FILE in its place"

const (
	newerBuild = "install a newer huskies-mcp and start it again; nothing in the file was changed"
	putItBack  = "nothing was written; tell the user, who can put a backup back: huskies-mcp restore. "
	keepACopy  = "keep a copy of the database with its -wal file, check the disk, and restore a backup (huskies-mcp restore lists them); "
	maySalvage = "if there is none, huskies-mcp export --salvage FILE may save what can still be read"
)

// remedies are what to do about the codes that need no value.
var remedies = map[oplog.Code]string{
	dbfile.CodeDamaged: "the database is damaged: keep a copy of it with its -wal file and restore a backup (huskies-mcp restore lists them); " + maySalvage,
	dbfile.CodeFull:    "the disk is full: free some space, then repeat the call",
	dbfile.CodeDisk:    "the disk failed to read or write: check the disk and its free space, then repeat the call",
	dbfile.CodeReadOnlyDisk: "the disk is mounted read-only: nothing can be written there. To read the pipeline, set HUSKIES_READ_ONLY=1 for the command or server; " +
		"to write, mount the disk so that it can be written, or give a --db on another one",
	dbfile.CodeReadOnlyWAL: "the disk is mounted read-only, and what was written last stands in the -wal file: copy the database with its -wal file to a disk that can be written, and give the copy's --db",
	dbfile.CodeUnwritable:  "it cannot be written: check the permissions of the file, of its folder, and of the -wal and -shm files beside it, then repeat the call",
	dbfile.CodeShared:      "SQLite makes files beside the database also to read it: let this user write to the folder, then repeat the call; or have its owner run huskies-mcp backup FILE, which can be read anywhere",
	dbfile.CodeNoOpen:      "the file cannot be opened: check that it may be read and written, and that the folder exists and may be written",
	dbfile.CodeNotDatabase: "the file is not an SQLite database: give another --db, or move the file away; if it was the pipeline, huskies-mcp restore lists its backups",
	dbfile.CodeNoTable:     "another program took out a table: huskies-mcp verify says what to do",
	dbfile.CodeTables:      "another program changed the tables, or the file is damaged: keep a copy of it with its -wal file and restore a backup (huskies-mcp restore lists them)",
	dbfile.CodeBusy:        "another program holds the database, not by way of huskies-mcp: end its transaction, then repeat the call",
	dbfile.CodeNoFolder:    "the folder does not exist, or a link leads nowhere: create it, or give another --db",
	dbfile.CodeNotFolder:   "a part of the path is a file, not a folder: give another --db",
	dbfile.CodeNotPlain:    "huskies-mcp did not make it and does not open it: look where it comes from, move it away, then repeat the call. Nothing was written",
	dbfile.CodeOther:       "the error above says what stands in the way; when it is gone, repeat the call",

	oplog.CodeLongPath:   "give a shorter --db; nothing was written",
	oplog.CodeNotOurs:    "give another --db; nothing in the file was changed",
	oplog.CodeNewer:      newerBuild,
	oplog.CodeNewerOp:    "a newer huskies-mcp wrote into this database: install that one and start it again; nothing in the file was changed",
	oplog.CodeTablesGone: "huskies-mcp verify says what to do; nothing in the file was changed",
	oplog.CodeForeign: "huskies-mcp export --salvage FILE writes its ops as a bundle, of which huskies-mcp import --create makes a pipeline without it; " +
		"or restore a backup. Nothing in the file was changed",
	oplog.CodeAltered: "restore a backup: none of it was read, since it could run in every read and write. Nothing in the file was changed",
	oplog.CodeIdentity: "restore a backup (huskies-mcp restore lists them): a new key is never made in place of a damaged one, and nothing in the file was changed. " +
		"If there is no backup, huskies-mcp export --salvage FILE writes the ops as a bundle, of which huskies-mcp import --create makes a pipeline with a fresh key",
	oplog.CodeKeysLost:      "restore a backup; if there is none, leave out --keys-from: the new pipeline signs with a fresh key and trusts everybody until a person decides anew",
	oplog.CodeUnsalvageable: keepACopy + "if there is none, move the database away and import a bundle of all ops from another replica into a new one",
	oplog.CodeChanged:       "verify it again; nothing was changed",
	oplog.CodeRowGone:       "repeat the call: somebody may have put back a backup. If it fails again the database is damaged: huskies-mcp verify says what to do",

	replica.CodeRemoved:  putItBack + "To begin with an empty pipeline, the server must be started anew",
	replica.CodeReplaced: putItBack + "The next call goes on with the pipeline that is there",
	replica.CodeStuck:    "nothing was written of this change; check the disk and who has the database open, then repeat the call",
}
